import { Buffer } from "node:buffer";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { UsageError } from "../errors.ts";

/** A number of seconds in which a server that is there answers. */
const ANSWER_SECONDS = 5;
/** What nobody collects is dropped after a week. */
export const KEEP_SECONDS = 7 * 24 * 3600;

/** The queue's server cannot be reached; another time it may be. */
export class QueueError extends Error {
  override readonly name = "QueueError";
  readonly temporary = true;
}

/** Where a queue is, and whom its troubles are told to. */
export interface LinkOptions {
  readonly url: string;
  /** Name of the queue, and first part of all its keys. */
  readonly queue: string;
  readonly note: (line: string) => void;
}

/**
 * Connections to the server of a queue. They come back by themselves when the server does; only the
 * first one has to be there at once.
 */
export class QueueLink {
  readonly prefix: string;
  readonly #url: string;
  readonly #note: (line: string) => void;
  readonly #clients: Redis[] = [];
  readonly #queues = new Map<string, Queue>();
  #trouble = "";

  private constructor({ url, queue, note }: LinkOptions) {
    this.#url = url;
    this.prefix = queue;
    this.#note = note;
  }

  /**
   * @throws {UsageError} no URL of a Redis server
   * @throws {QueueError} it does not answer
   */
  static async open(options: LinkOptions): Promise<QueueLink> {
    checkUrl(options.url);
    if (!/^[\w.-]{1,64}$/.test(options.queue)) {
      throw new UsageError(
        `Cannot use --queue "${options.queue}": letters, digits, "-", "_" and "." are allowed`,
      );
    }
    const link = new QueueLink(options);
    const client = link.connect();
    try {
      await inTime(client.ping(), ANSWER_SECONDS);
    } catch (error) {
      await link.close();
      const why = (error as Error).message || link.#trouble;
      throw new QueueError(
        `Cannot reach ${hideSecrets(options.url)}: ${link.#trouble || why}`,
      );
    }
    return link;
  }

  /** A new connection, for what must not share one: workers and events block theirs. */
  connect(): Redis {
    const client = new Redis(this.#url, {
      maxRetriesPerRequest: null,
      retryStrategy: (times) => Math.min(200 * times, 3000),
    });
    client.on("error", (error: Error) => this.#tell(error));
    client.on("ready", () => {
      if (this.#trouble !== "") this.#note("the queue is back");
      this.#trouble = "";
    });
    this.#clients.push(client);
    return client;
  }

  /** Each trouble is told once until it is over. */
  #tell(error: Error): void {
    const text = hideSecrets(error.message || String(error));
    if (text === this.#trouble) return;
    this.#trouble = text;
    this.#note(`the queue: ${text}; trying again`);
  }

  /** For errors that BullMQ tells of itself. */
  readonly onError = (error: Error): void => this.#tell(error);

  /** The connection for plain commands. */
  get client(): Redis {
    return this.#clients[0]!;
  }

  /** The queue of one model. */
  queue(identity: string): Queue {
    const name = queueName(identity);
    const known = this.#queues.get(name);
    if (known) return known;
    const queue = new Queue(name, { connection: this.client, prefix: this.prefix });
    queue.on("error", this.onError);
    this.#queues.set(name, queue);
    return queue;
  }

  /** Lets workers know of a model. */
  async register(identity: string, name: string): Promise<void> {
    await this.client.hset(`${this.prefix}:models`, identity, name);
  }

  /** Names of the models that there have been jobs for, by identity. */
  async models(): Promise<Map<string, string>> {
    return new Map(Object.entries(await this.client.hgetall(`${this.prefix}:models`)));
  }

  /** Keeps bytes under their digest. */
  async putBlob(sha256: string, bytes: Uint8Array): Promise<void> {
    await this.client.set(this.#blobKey(sha256), Buffer.from(bytes), "EX", KEEP_SECONDS);
  }

  async hasBlob(sha256: string): Promise<boolean> {
    return await this.client.expire(this.#blobKey(sha256), KEEP_SECONDS) === 1;
  }

  async getBlob(sha256: string): Promise<Uint8Array | undefined> {
    return await this.client.getBuffer(this.#blobKey(sha256)) ?? undefined;
  }

  async dropBlobs(digests: readonly string[]): Promise<void> {
    if (digests.length > 0) await this.client.del(digests.map((sha256) => this.#blobKey(sha256)));
  }

  #blobKey(sha256: string): string {
    return `${this.prefix}:blob:${sha256}`;
  }

  /** Lets go of the server, whether it is there or not. */
  async close(): Promise<void> {
    const queues = [...this.#queues.values()].map((queue) => queue.close());
    await inTime(Promise.all(queues), 2).catch(() => {});
    for (const client of this.#clients) client.disconnect();
  }
}

/** Queue of a model: workers take only what they can make. */
export function queueName(identity: string): string {
  return identity.slice(0, 16);
}

function checkUrl(text: string): void {
  const url = URL.parse(text);
  if (url && ["redis:", "rediss:"].includes(url.protocol) && url.hostname !== "") return;
  throw new UsageError(
    `Cannot use --redis ${
      hideSecrets(text)
    }: it must be redis://[user:password@]host[:port][/db], ` +
      "or rediss:// for TLS",
  );
}

/** Text without what stands between `//` and `@`. */
export function hideSecrets(text: string): string {
  return text.replace(/\/\/[^/@\s]*@/g, "//***@");
}

/** @throws {QueueError} when it takes longer */
export async function inTime<T>(work: Promise<T>, seconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new QueueError(`no answer within ${seconds} s`)),
      seconds * 1000,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
