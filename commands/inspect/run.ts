import { isPattern } from "../../app.ts";
import { MediaError } from "../../mod.ts";
import { orAborted } from "../../cli/abort.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { inspectClip } from "./clip.ts";
import type { Inspection } from "./inspection.ts";
import { inspectModel } from "./model.ts";
import { inspectWeights } from "./weights.ts";
import { modelPath } from "../../request/model_path.ts";
import type { INSPECT_OPTIONS } from "./spec.ts";

const WEIGHTS = /.\.(safetensors|pth|pt|ckpt|bin)$|\.index\.json$/i;
/** Names of files, which are never models. */
const FILE_NAME =
  /\.(safetensors|pth|pt|ckpt|bin|np[yz]|mp4|mov|mkv|avi|webm|webp|gif|png|jpe?g|y4m)$/i;

/** `far inspect`: describes a file or folder. */
export async function run(
  { options, operands, terminal, signal }: Call<typeof INSPECT_OPTIONS>,
) {
  const { lines, json } = await orAborted(inspect(operands[0]!, options), signal);
  const text = lines.map((line) => line.replaceAll("\n", "\\n")).join("\n");
  await terminal.print(`${options.json ? JSON.stringify(json, null, 2) : text}\n`);
}

async function inspect(
  given: string,
  { frames, verbose }: Call<typeof INSPECT_OPTIONS>["options"],
): Promise<Inspection> {
  if (isPattern(given)) return await inspectClip(given);
  const found = await Deno.stat(given).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new MediaError(`Cannot read "${given}": reading it is not permitted`);
  });
  if (!found && FILE_NAME.test(given)) {
    throw new UsageError(`Cannot read "${given}": there is no such file`);
  }
  const path = found ? given : await modelPath(given).catch((error) => {
    if (!(error instanceof UsageError)) throw error;
    const [, why = `; ${error.message}`] =
      /^Cannot find model ".*?": there is no such folder(.*)$/s.exec(error.message) ?? [];
    throw new UsageError(`Cannot read "${given}": there is no such file or folder${why}`);
  });
  if (found?.isDirectory ?? true) {
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
    if (names.includes("model_index.json")) {
      return await inspectModel(path, { frames, list: verbose });
    }
    // a part of a model or a trainer's checkpoint, not a folder of images
    if (names.some((name) => WEIGHTS.test(name))) return await inspectWeights(path, frames);
  } else if (WEIGHTS.test(path)) return await inspectWeights(path, frames);
  if (frames !== undefined) {
    throw new UsageError("Cannot compute memory: --frames is for a model folder or a transformer");
  }
  return await inspectClip(path);
}
