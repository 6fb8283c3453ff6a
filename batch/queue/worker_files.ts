import { join } from "node:path";
import { type FileLock, sha256 as sha256Of, writeOutput } from "../../app.ts";
import { megabytes } from "../../cli/amounts.ts";
import type { SettingValue } from "../../cli/settings.ts";
import { withScale } from "../../request/lora.ts";
import { lockFolder } from "../folder_lock.ts";
import { outputPath } from "../plan/identity.ts";
import { MOST_BLOB_BYTES } from "../plan/travel.ts";
import { outputBlob, type QueueJob, type SentInput } from "./queue_job.ts";
import type { QueueLink } from "./queue_link.ts";
import type { MadeFile } from "../results.ts";
import { UsageError } from "../../cli/errors.ts";

const NAME = "far-worker-";
/** A folder this young may belong to a worker that is about to lock it. */
const YOUNG_MS = 60_000;

/** A worker's folder for files that are sent through the queue. */
export class WorkerFiles implements AsyncDisposable {
  private constructor(private readonly folder: string, private readonly lock: FileLock) {}

  /** Creates the folder and removes those of killed workers. */
  static async make(): Promise<WorkerFiles> {
    const folder = await Deno.makeTempDir({ prefix: NAME });
    const lock = await lockFolder(folder, "");
    await removeOrphans(join(folder, ".."));
    return new WorkerFiles(folder, lock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.lock[Symbol.dispose]();
    await Deno.remove(this.folder, { recursive: true }).catch(() => {});
  }

  /** Creates a folder for the outputs of one job. @param hash 64 hex digits */
  async makeOutputFolder(hash: string): Promise<string> {
    return await Deno.makeTempDir({ dir: this.folder, prefix: `${hash.slice(0, 16)}-` });
  }

  /** Removes a folder that `makeOutputFolder` made. */
  async clear(folder: string): Promise<void> {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }

  /**
   * A job's options, with its input files fetched.
   * @throws {Error} the queue has lost one
   */
  async fetchInputs(job: QueueJob, link: QueueLink): Promise<Record<string, SettingValue>> {
    const options: Record<string, SettingValue> = { ...job.options };
    for (const [option, input] of Object.entries(job.inputs)) {
      const { sha256, name, scale } = input;
      const path = this.#inputPath(input);
      const there = await Deno.stat(path).then(() => true, () => false);
      if (!there) await fetchBlob(sha256, name, path, link);
      options[option] = withScale(path, scale);
    }
    return options;
  }

  #inputPath({ sha256, name }: SentInput): string {
    const extension = name.match(/\.[A-Za-z0-9]{1,12}$/)?.[0] ?? "";
    return join(this.folder, `input-${sha256}${extension}`);
  }

  /** Replaces paths of a job's files in a text by the names that its sender knows. */
  inSendersWords(text: string, { inputs }: QueueJob): string {
    return Object.values(inputs).reduce(
      (told, input) => told.replaceAll(this.#inputPath(input), input.name),
      text,
    );
  }

  /**
   * Puts the outputs of a job in the queue.
   * @param folder that `makeOutputFolder` made
   * @throws {UsageError} one that is too large
   */
  async sendOutputs(
    folder: string,
    hash: string,
    outputs: readonly MadeFile[],
    link: QueueLink,
  ): Promise<void> {
    for (const { path, bytes, sha256 } of outputs) {
      const refuse = (why: string) =>
        new UsageError(`Cannot send "${path}" through the queue: ${why}; use --shared`);
      if (sha256 === "") throw refuse("it consists of several files");
      if (bytes > MOST_BLOB_BYTES) {
        throw refuse(`it has ${megabytes(bytes)}, the limit is ${megabytes(MOST_BLOB_BYTES)}`);
      }
      const data = await Deno.readFile(outputPath(folder, path));
      await link.putBlob(outputBlob(hash, sha256), data);
    }
  }
}

async function fetchBlob(
  sha256: string,
  name: string,
  path: string,
  link: QueueLink,
): Promise<void> {
  const bytes = await link.getBlob(sha256);
  if (!bytes) throw new Error(`Cannot read "${name}": it is missing from the queue`);
  if (sha256Of(bytes) !== sha256) throw new Error(`Cannot read "${name}": it was altered`);
  await writeOutput(path, bytes);
}

/** Removes folders of dead processes, whose locks are free. */
async function removeOrphans(parent: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(parent)) {
    if (!isDirectory || !name.startsWith(NAME)) continue;
    const folder = join(parent, name);
    try {
      const { mtime } = await Deno.stat(folder);
      if (Date.now() - (mtime?.getTime() ?? 0) < YOUNG_MS) continue;
      const lock = await lockFolder(folder, "");
      lock[Symbol.dispose]();
      await Deno.remove(folder, { recursive: true });
    } catch {
      // it is in use, or belongs to another user
    }
  }
}
