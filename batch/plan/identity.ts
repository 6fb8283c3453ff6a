import { dirname, join } from "node:path";
import { isPattern, sha256 } from "../../app.ts";
import { jsonOf } from "../../cli/settings.ts";
import { filesToRead } from "../../cli/option.ts";
import { UsageError } from "../../cli/errors.ts";
import { whyUnreadable } from "../../cli/text_file.ts";
import type { Digests } from "./digest.ts";
import type { JobValues } from "./manifest.ts";
import { JOB_OPTIONS } from "./options.ts";

/** Key of a job's hash in the metadata of its outputs. */
export const JOB_KEY = "far.job";

/** Files that a job reads, by option. */
export function inputsOf(values: JobValues): Map<string, string> {
  return filesToRead(JOB_OPTIONS, values);
}

/**
 * SHA-256 of everything that decides what a job makes: settings, the bytes of its inputs, the
 * model, and the names of its outputs. Jobs with equal hashes write the same files.
 * @param values with the model's defaults; @param model digest of the model
 * @throws {UsageError} a missing input
 */
export async function jobHash(
  values: JobValues,
  outputs: readonly string[],
  model: string,
  digests: Digests,
): Promise<string> {
  const inputs: Record<string, string> = {};
  for (const [option, path] of inputsOf(values)) {
    // for a %d pattern, the folder stands for the pictures
    const digest = option === "lora"
      ? () => digests.lora(values.lora!)
      : () => digests.content(isPattern(path) ? dirname(path) : path);
    inputs[option] = await digestInput(option, path, digest);
  }
  const { model: _model, output: _output, ...rest } = jsonOf(values);
  const settings = Object.entries({ ...rest, ...inputs })
    .sort(([a], [b]) => a < b ? -1 : 1);
  return sha256(JSON.stringify({ settings, outputs, model }));
}

async function digestInput(
  option: string,
  path: string,
  digest: () => Promise<string>,
): Promise<string> {
  if (path === "-") throw new UsageError(`Cannot use "${option}": a batch cannot read stdin`);
  try {
    return await digest();
  } catch (error) {
    throw new UsageError(`Cannot use "${option}": "${path}": ${whyUnreadable(error)}`);
  }
}

/** The shard of a job, of `count`; it depends only on the id. */
export function shardOf(id: string, count: number): number {
  return Number(BigInt(`0x${sha256(id).slice(0, 16)}`) % BigInt(count));
}

/** `3/16`: the fourth of sixteen shards. @throws {UsageError} */
export function parseShard(text: string): { readonly index: number; readonly count: number } {
  const [, index, count] = text.match(/^(\d{1,6})\/(\d{1,6})$/)?.map(Number) ?? [];
  if (count && index! < count) return { index: index!, count };
  throw new UsageError(`Cannot use --shard ${text}: it must be I/N with I from 0 to N - 1`);
}

/** `.3-of-16` in the names of files of which each shard has its own; empty without shards. */
export function shardMark(shard: ReturnType<typeof parseShard> | undefined): string {
  return shard ? `.${shard.index}-of-${shard.count}` : "";
}

/** Path of an output. */
export function outputPath(folder: string, name: string): string {
  return join(folder, ...name.split("/"));
}
