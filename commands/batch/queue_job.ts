import { basename, resolve } from "node:path";
import type { SettingValue } from "../settings.ts";
import { UsageError } from "../errors.ts";
import { digestFile } from "./digest.ts";
import { inputsOf, jsonOf } from "./identity.ts";
import type { Job } from "./job.ts";
import type { QueueLink } from "./queue_link.ts";
import type { JobFailure, MadeFile } from "./results.ts";

/** Form of the data in a queue; a worker refuses what is newer than itself. */
export const QUEUE_VERSION = 1;
/** Files larger than this do not belong in the memory of a server. */
export const MOST_BLOB_BYTES = 64 << 20;

/** A file that a job reads, kept in the queue. */
export interface SentInput {
  readonly sha256: string;
  /** Its name, whose extension tells what it is. */
  readonly name: string;
}

/** A job as it lies in a queue. */
export interface QueueJob {
  readonly version: number;
  readonly id: string;
  readonly line: number;
  readonly where: string;
  readonly hash: string;
  readonly options: Readonly<Record<string, SettingValue>>;
  readonly model: { readonly name: string; readonly identity: string };
  readonly outputs: readonly string[];
  /** Files by option, where they travel through the queue. */
  readonly inputs: Readonly<Record<string, SentInput>>;
  /** The output folder, where workers see it too; else outputs are sent back. */
  readonly shared?: string;
}

/** What a worker answers. */
export interface QueueResult {
  readonly seconds: number;
  readonly batch: number;
  readonly outputs: readonly MadeFile[];
  /** The outputs lie in the queue under their digests. */
  readonly sent: boolean;
  /** Name of the machine. */
  readonly worker: string;
}

/** What is kept of a failure beside its text, as the job's progress. */
export interface QueueFailure {
  readonly failure: JobFailure;
}

/**
 * Makes a job ready for other machines. With a shared folder its paths become absolute; without,
 * the files it reads are put in the queue, each once.
 * @throws {UsageError} an input that cannot travel
 */
export async function packJob(
  { entry, hash, where, model }: Job,
  link: QueueLink,
  shared: string | undefined,
): Promise<QueueJob> {
  const { id, line, values, outputs } = entry;
  const { output: _, ...options } = jsonOf(values);
  const inputs: Record<string, SentInput> = {};
  for (const [option, path] of inputsOf(values)) {
    if (shared !== undefined) options[option] = resolve(path);
    else {
      inputs[option] = await sendInput(option, path, where, link);
      delete options[option];
    }
  }
  return {
    version: QUEUE_VERSION,
    id,
    line,
    where,
    hash,
    options,
    model: { name: model.name, identity: model.identity },
    outputs,
    inputs,
    shared,
  };
}

async function sendInput(
  option: string,
  path: string,
  where: string,
  link: QueueLink,
): Promise<SentInput> {
  const refuse = (why: string) =>
    new UsageError(`Cannot send "${option}" of ${where} through the queue: ${why}; use --shared`);
  if (path.includes("%") || (await Deno.stat(path)).isDirectory) {
    throw refuse("it is more than one file");
  }
  const { sha256, bytes } = await digestFile(path);
  if (bytes > MOST_BLOB_BYTES) {
    throw refuse(`"${path}" has ${megabytes(bytes)}, ${megabytes(MOST_BLOB_BYTES)} are allowed`);
  }
  if (!await link.hasBlob(sha256)) await link.putBlob(sha256, await Deno.readFile(path));
  return { sha256, name: basename(path) };
}

/** `12.3 MB` */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
