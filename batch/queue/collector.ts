import { setTimeout } from "node:timers/promises";
import { type AtomicFile, createOutput, sha256 as sha256Of } from "../../app.ts";
import { MediaError } from "../../mod.ts";
import { areAsAnswered, isOf } from "../existing.ts";
import { makeFolderInside } from "../inside.ts";
import { outputPath } from "../plan/identity.ts";
import type { MadeFile } from "../results.ts";
import { outputBlob, type QueueResult } from "./queue_job.ts";
import type { QueueLink } from "./queue_link.ts";

/** Pauses before a file counts as missing: a network file system may show it late. */
const LATE_MS = [0, 500, 1500, 3000];

/** Collects the outputs of jobs that other machines ran into the output folder. */
export class Collector {
  /** @param shared whether workers write to the folder themselves */
  constructor(
    private readonly link: QueueLink,
    private readonly folder: string,
    private readonly shared: boolean,
  ) {}

  /**
   * Writes outputs that were sent back, all of them or none, and then drops them from the queue.
   * Outputs that were not sent must be in the shared folder.
   * @returns false if the queue has lost some of them
   * @throws {MediaError} the files are not this job's, or cannot be written
   */
  async collect(hash: string, { outputs, sent }: QueueResult): Promise<boolean> {
    if (!sent) return await this.#expect(hash, outputs);
    const files: AtomicFile[] = [];
    try {
      for (const made of outputs) {
        const file = await this.#fetch(hash, made);
        if (!file) return false;
        files.push(file);
      }
      for (const file of files) await file.commit();
    } finally {
      for (const file of files) await file.discard();
    }
    await this.link.dropBlobs(outputs.map(({ sha256 }) => outputBlob(hash, sha256)));
    return true;
  }

  /** @returns the file under its temporary name; undefined if the queue has lost it */
  async #fetch(hash: string, { path, bytes, sha256 }: MadeFile): Promise<AtomicFile | undefined> {
    const data = await this.link.getBlob(outputBlob(hash, sha256));
    if (!data) return undefined;
    if (data.length !== bytes || sha256Of(data) !== sha256) {
      throw new MediaError(`Cannot collect "${path}": it was altered`);
    }
    const target = outputPath(this.folder, path);
    await makeFolderInside(this.folder, target);
    const file = await createOutput(target);
    try {
      await file.write(data);
      await file.release();
      if (await isOf(file.partialPath, hash, path)) return file;
      throw new MediaError(`Cannot collect "${path}": its settings are not those of this job`);
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  /** Checks that files which a worker reported are in the shared folder. */
  async #expect(hash: string, outputs: readonly MadeFile[]): Promise<true> {
    for (const pause of this.shared ? LATE_MS : []) {
      await setTimeout(pause);
      if (!await areAsAnswered(this.folder, outputs)) continue;
      const own = await Promise.all(
        outputs.map(({ path }) => isOf(outputPath(this.folder, path), hash, path)),
      );
      if (own.every(Boolean)) return true;
    }
    throw new MediaError(
      `Cannot find a worker's outputs in "${this.folder}": its --out-dir must be the ` +
        "same folder",
    );
  }
}
