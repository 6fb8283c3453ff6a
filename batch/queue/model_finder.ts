import { UsageError } from "../../cli/errors.ts";
import { modelPath } from "../../request/model_path.ts";
import { Digests } from "../plan/digest.ts";
import { QueueError, type QueueLink, refusedByServer } from "./queue_link.ts";
import type { QueueWorker } from "./queue_worker.ts";

/** Milliseconds between checks for new models in the queue. */
const LOOK_MS = 1000;

/** Which models a worker serves. */
export interface FinderOptions {
  /** Only this model; by default every model of the queue that is on this machine. */
  readonly model?: string;
  readonly note: (line: string) => void;
}

/** Finds models on this machine for which a queue has jobs. */
export class ModelFinder {
  readonly #digests = new Digests();
  readonly #seen = new Set<string>();
  #next = 0;

  constructor(
    private readonly worker: QueueWorker,
    private readonly link: QueueLink,
    private readonly options: FinderOptions,
  ) {}

  /**
   * Starts serving new models; asks the queue only from time to time.
   * @throws {UsageError} the only model to serve is not on this machine
   */
  async look(): Promise<void> {
    if (performance.now() < this.#next) return;
    const { model } = this.options;
    if (model !== undefined) {
      this.#next = Infinity;
      const folder = await modelPath(model);
      return this.#serve(await this.#digests.model(folder), folder, model);
    }
    this.#next = performance.now() + LOOK_MS;
    for (const [identity, name] of await this.#announced()) {
      if (!this.#seen.has(identity)) await this.#tryModel(identity, name);
      this.#seen.add(identity);
    }
  }

  /** Asks again after temporary refusals of the server; a permanent refusal ends the worker. */
  async #announced(): Promise<Map<string, string>> {
    try {
      return await this.link.models();
    } catch (thrown) {
      const error = refusedByServer(thrown);
      if (!(error instanceof QueueError) || !error.temporary) throw error;
      this.link.onError(error);
      return new Map();
    }
  }

  async #tryModel(identity: string, name: string): Promise<void> {
    let folder: string;
    try {
      folder = await modelPath(name);
      if (await this.#digests.model(folder) === identity) {
        return this.#serve(identity, folder, name);
      }
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return this.options.note(`not serving "${name}": ${error.message}`);
    }
    this.options.note(`not serving "${name}": "${folder}" has other weights or settings`);
  }

  #serve(identity: string, folder: string, name: string): void {
    this.worker.serve(identity, folder);
    this.options.note(`serving "${name}"`);
  }
}
