import { isPattern, loraFiles } from "../../app.ts";
import { megabytes } from "../../cli/amounts.ts";
import { isSequence } from "./output_names.ts";

/** Larger files do not belong in a server's memory. */
export const MOST_BLOB_BYTES = 64 << 20;

/** Why a file that a job reads cannot be sent through a queue. */
export async function inputFault(path: string): Promise<string | undefined> {
  const refuse = (why: string) =>
    `"${path}" cannot be sent through the queue, ${why}: use --shared`;
  if (isPattern(path)) return refuse("it consists of many files");
  const { isDirectory, size } = await Deno.stat(path);
  if (isDirectory) return refuse("it is a folder");
  if (size <= MOST_BLOB_BYTES) return undefined;
  return refuse(`it has ${megabytes(size)}, the limit is ${megabytes(MOST_BLOB_BYTES)}`);
}

/** Why adapters that a job reads cannot be sent through a queue. */
export async function loraFault(path: string): Promise<string | undefined> {
  const fault = await inputFault(path);
  if (fault || (await loraFiles(path)).length === 1) return fault;
  return `"${path}" cannot be sent through the queue, its alpha is in a file beside it: use --shared`;
}

/** Why an output cannot be sent through a queue, judged by its name. */
export function outputFault(name: string): string | undefined {
  if (!isSequence(name)) return undefined;
  return `"${name}" cannot be sent through the queue, it consists of many files: use --shared`;
}
