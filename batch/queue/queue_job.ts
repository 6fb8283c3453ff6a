import { basename, resolve } from "node:path";
import { isPattern, printable } from "../../mod.ts";
import { megabytes } from "../../cli/amounts.ts";
import type { SettingValue } from "../../cli/settings.ts";
import { UsageError } from "../../cli/errors.ts";
import { digestFile, type FileDigest } from "../plan/digest.ts";
import { inputsOf, jsonOf } from "../plan/identity.ts";
import type { Job } from "../plan/job.ts";
import { isSequence } from "../plan/output_names.ts";
import type { QueueLink } from "./queue_link.ts";
import type { JobFailure, MadeFile } from "../results.ts";

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
  /** The outputs lie in the queue, as `outputBlob` names them. */
  readonly sent: boolean;
  /** Name of the machine. */
  readonly worker: string;
}

/**
 * Name under which an output lies in the queue. Each job has its own: two that make the same bytes
 * must not take them from each other.
 */
export function outputBlob(hash: string, sha256: string): string {
  return `${hash}-${sha256}`;
}

/** What is kept of a failure beside its text, as the job's progress. */
export interface QueueFailure {
  readonly failure: JobFailure;
}

/**
 * Makes jobs ready for other machines. With a shared folder their paths become absolute; without,
 * the files they read are put in the queue. One after the other, so that a clip of a thousand jobs
 * is sent once, and is in memory once.
 */
export class JobPacker {
  readonly #link: QueueLink;
  readonly #shared: string | undefined;
  readonly #digests = new Map<string, Promise<FileDigest>>();
  #last: Promise<unknown> = Promise.resolve();

  /** @param shared the output folder, where workers see it too */
  constructor(link: QueueLink, shared: string | undefined) {
    this.#link = link;
    this.#shared = shared;
  }

  /** @throws {UsageError} an input that cannot travel */
  pack(job: Job): Promise<QueueJob> {
    const packed = this.#last.then(() => this.#pack(job));
    this.#last = packed.catch(() => {});
    return packed;
  }

  async #pack({ entry, hash, where, model }: Job): Promise<QueueJob> {
    const { id, line, values, outputs } = entry;
    const { output: _, ...options } = jsonOf(values);
    const inputs: Record<string, SentInput> = {};
    for (const [option, path] of inputsOf(values)) {
      if (this.#shared !== undefined) options[option] = resolve(path);
      else {
        inputs[option] = await this.#send(option, path, where);
        delete options[option];
      }
    }
    return {
      version: QUEUE_VERSION,
      id,
      line,
      where: printable(where),
      hash,
      options,
      model: { name: model.name, identity: model.identity },
      outputs,
      inputs,
      shared: this.#shared,
    };
  }

  async #send(option: string, path: string, where: string): Promise<SentInput> {
    const fault = await inputFault(path);
    if (fault) throw new UsageError(`Cannot use "${option}" in ${where}: ${fault}`);
    const digest = this.#digests.get(path) ?? digestFile(path);
    this.#digests.set(path, digest);
    const { sha256 } = await digest;
    if (!await this.#link.hasBlob(sha256)) {
      await this.#link.putBlob(sha256, await Deno.readFile(path));
    }
    return { sha256, name: printable(basename(path)) };
  }
}

/** Why a file that a job reads cannot travel through a queue. */
export async function inputFault(path: string): Promise<string | undefined> {
  const refuse = (why: string) =>
    `"${path}" cannot travel through the queue, ${why}: give --shared`;
  if (isPattern(path)) return refuse("it is many files");
  const { isDirectory, size } = await Deno.stat(path);
  if (isDirectory) return refuse("it is a folder");
  if (size <= MOST_BLOB_BYTES) return undefined;
  return refuse(`it has ${megabytes(size)} of ${megabytes(MOST_BLOB_BYTES)} allowed`);
}

/** Why an output cannot travel through a queue, as far as its name tells. */
export function outputFault(name: string): string | undefined {
  if (!isSequence(name)) return undefined;
  return `"${name}" cannot travel through the queue, it is many files: give --shared`;
}
