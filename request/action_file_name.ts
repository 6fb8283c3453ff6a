import { extname } from "node:path";

/** Kinds of files that `--actions` may name. */
const FILES = [".npz", ".safetensors", ".json", ".txt"];

/** The file that `--actions` names; undefined for a list. */
export function actionFile(given: string): string | undefined {
  return FILES.includes(extname(given).toLowerCase()) ? given : undefined;
}
