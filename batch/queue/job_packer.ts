import { basename, resolve } from "node:path";
import { UsageError } from "../../cli/errors.ts";
import { digestFile, type FileDigest } from "../../app.ts";
import { jsonOf } from "../../cli/settings.ts";
import { inputsOf } from "../plan/identity.ts";
import type { Job } from "../plan/job.ts";
import { inputFault, loraFault } from "../plan/travel.ts";
import { parseLora, withScale } from "../../request/lora.ts";
import { parseQueueJob } from "./queue_border.ts";
import { QUEUE_VERSION, type QueueJob, type SentInput } from "./queue_job.ts";
import type { QueueLink } from "./queue_link.ts";

/**
 * Prepares jobs for other machines. With a shared folder their paths become absolute; without,
 * their input files are put in the queue. One after the other, so that a clip of a thousand jobs is
 * sent once and is in memory once.
 */
export class JobPacker {
  readonly #digests = new Map<string, Promise<FileDigest>>();
  #last: Promise<unknown> = Promise.resolve();

  /** @param shared the output folder, if workers can access it */
  constructor(private readonly link: QueueLink, private readonly shared: string | undefined) {}

  /** @throws {UsageError} an input that cannot be sent, or a job that workers would refuse */
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
      const scale = option === "lora" ? parseLora(values.lora!).scale : undefined;
      if (this.shared !== undefined) options[option] = withScale(resolve(path), scale);
      else {
        const sent = await this.#send(option, path, where);
        inputs[option] = { ...sent, ...(scale !== undefined && { scale }) };
        delete options[option];
      }
    }
    return parseQueueJob({
      version: QUEUE_VERSION,
      id,
      line,
      where,
      hash,
      options,
      model: { name: model.name, identity: model.identity },
      outputs,
      inputs,
      shared: this.shared,
    });
  }

  async #send(option: string, path: string, where: string): Promise<SentInput> {
    const fault = await (option === "lora" ? loraFault : inputFault)(path);
    if (fault) throw new UsageError(`Cannot use "${option}" in ${where}: ${fault}`);
    const { sha256 } = await this.#digests.getOrInsertComputed(path, digestFile);
    if (!await this.link.hasBlob(sha256)) {
      await this.link.putBlob(sha256, await Deno.readFile(path));
    }
    return { sha256, name: basename(path) };
  }
}
