import { Buffer } from "node:buffer";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { printable } from "../../app.ts";
import { parseModels } from "./queue_border.ts";
import { UsageError } from "../../cli/errors.ts";

/** Seconds within which a running server answers. */
const ANSWER_SECONDS = 5;
/** Answers to a wrong URL, which a retry will not change. */
const WRONG_LOGIN = /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR DB index)/;
/** Uncollected results are dropped after a week. */
export const KEEP_SECONDS = 7 * 24 * 3600;

/**
 * Errors about rights, logins, unknown commands and clusters, which waiting does not fix. The rest
 * (loading, full, read-only, no master) may pass.
 */
const UNCURABLE = new RegExp(
  "^(WRONGPASS|NOAUTH|NOPERM|DENIED|MOVED|ASK|CROSSSLOT|ERR (unknown|invalid password|DB index|" +
    "wrong number|SELECT is not allowed))|ACL failure|can't run this command|no permissions",
  "i",
);

/** The queue's server cannot be reached, or refuses. */
export class QueueError extends Error {
  override readonly name = "QueueError";

  /** @param temporary whether a retry may succeed */
  constructor(message: string, readonly temporary = true) {
    super(message);
  }
}

/** Wraps an error that is the server's answer: full, read-only, not permitted. */
export function refusedByServer(error: unknown): Error {
  if (!(error instanceof Error) || error.name !== "ReplyError") return error as Error;
  const text = printable(hideSecrets(error.message));
  const advice = /NOPERM|permission|can't run/i.test(text)
    ? " (docs/batch.md lists the rights that a queue needs)"
    : "";
  return new QueueError(
    `The queue's server refused the request: ${text}${advice}`,
    !isUncurable(error),
  );
}

/** Whether waiting will not fix a server's error. */
export function isUncurable(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError" && UNCURABLE.test(error.message);
}

/** Address of a queue, and where to report its problems. */
export interface LinkOptions {
  readonly url: string;
  /** Name of the queue and prefix of all its keys. */
  readonly queue: string;
  readonly note: (line: string) => void;
}

/**
 * Connections to the server of a queue. They reconnect by themselves when the server is back; only
 * the first one must succeed at once.
 */
export class QueueLink {
  readonly #clients: Redis[] = [];
  readonly #queues = new Map<string, Queue>();
  #trouble = "";
  /** The last error from the server itself. */
  #refusal = "";
  /** Set after the first connection; errors are reported from then on. */
  #open = false;
  /** Whether the user may call INFO, which shows when a server has loaded its data. */
  #mayAsk = false;
  #refused: ((error: Error) => void) | undefined;

  private constructor(private readonly options: LinkOptions) {}

  /** Prefix of all keys. */
  get prefix(): string {
    return this.options.queue;
  }

  /**
   * @throws {UsageError} not a URL of a Redis server, or with a login that it refuses
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
    const probe = link.connect();
    try {
      await inTime(probe.ping(), ANSWER_SECONDS);
      // ioredis ignores the refusal of a missing database and would use the first one
      if (link.#refusal !== "") throw new QueueError(link.#refusal);
      link.#mayAsk = await inTime(probe.info("server"), ANSWER_SECONDS).then(
        () => true,
        () => false,
      );
      link.#clients.length = 0;
      probe.disconnect();
      await inTime(link.connect().ping(), ANSWER_SECONDS);
    } catch (error) {
      await link.close();
      const said = link.#trouble || (error as Error).message;
      const why = /RESP type/.test(said) ? "no Redis server answers there" : said;
      const message = `Cannot reach ${hideSecrets(options.url)}: ${why}${adviceFor(why)}`;
      throw WRONG_LOGIN.test(why) ? new UsageError(message) : new QueueError(message);
    }
    link.#open = true;
    return link;
  }

  /** A new connection, for workers and events, which block theirs. */
  connect(): Redis {
    const client = new Redis(this.options.url, {
      maxRetriesPerRequest: null,
      enableReadyCheck: this.#mayAsk,
      retryStrategy: (times) => Math.min(200 * times, 3000),
    });
    client.on("error", (error: Error) => this.#tell(error));
    client.on("ready", () => {
      if (this.#open && this.#trouble !== "") this.options.note("connected to the queue again");
      this.#trouble = "";
    });
    this.#clients.push(client);
    return client;
  }

  /** Reports each problem once until it is over. */
  #tell(error: Error): void {
    if (this.#open && isUncurable(error)) return this.#refused?.(refusedByServer(error));
    const text = printable(hideSecrets(error.message || String(error)));
    if (text === this.#trouble) return;
    this.#trouble = text;
    if (error.name === "ReplyError") this.#refusal = text;
    if (this.#open) this.options.note(`queue: ${text}; trying again`);
  }

  /** Calls back when the server refuses permanently, so that waiting should end. */
  onRefused(call: (error: Error) => void): void {
    this.#refused = call;
  }

  /** For errors that BullMQ reports. */
  readonly onError = (error: Error): void => this.#tell(error);

  /** The connection for plain commands. */
  get client(): Redis {
    return this.#clients[0]!;
  }

  /** The queue of one model. */
  queue(identity: string): Queue {
    return this.#queues.getOrInsertComputed(queueName(identity), (name) => {
      const { client: connection, prefix } = this;
      return new Queue(name, { connection, prefix, skipVersionCheck: true })
        .on("error", this.onError);
    });
  }

  /** Announces a model to workers. */
  async register(identity: string, name: string): Promise<void> {
    await this.client.hset(`${this.prefix}:models`, identity, name);
  }

  /** Names of models that had jobs, by identity. */
  async models(): Promise<Map<string, string>> {
    return parseModels(await this.client.hgetall(`${this.prefix}:models`));
  }

  /** Stores bytes under a name: an input's digest, or an output's `outputBlob`. */
  async putBlob(name: string, bytes: Uint8Array): Promise<void> {
    await this.client.set(this.#blobKey(name), Buffer.from(bytes), "EX", KEEP_SECONDS);
  }

  async hasBlob(name: string): Promise<boolean> {
    return await this.client.expire(this.#blobKey(name), KEEP_SECONDS) === 1;
  }

  async getBlob(name: string): Promise<Uint8Array | undefined> {
    return await this.client.getBuffer(this.#blobKey(name)) ?? undefined;
  }

  async dropBlobs(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.client.del(names.map((name) => this.#blobKey(name)));
  }

  #blobKey(name: string): string {
    return `${this.prefix}:blob:${name}`;
  }

  /** Disconnects, whether the server is reachable or not. */
  async close(): Promise<void> {
    const queues = [...this.#queues.values()].map((queue) => queue.close());
    await inTime(Promise.all(queues), 2).catch(() => {});
    for (const client of this.#clients) client.disconnect();
  }
}

/** Queue of a model: workers take only jobs that they can run. */
export function queueName(identity: string): string {
  return identity.slice(0, 16);
}

function checkUrl(text: string): void {
  const shown = hideSecrets(text);
  const login = text.match(/^rediss?:\/\/(\S*)@/)?.[1] ?? "";
  if (/[/@?#]/.test(login)) {
    throw new UsageError(
      `Cannot use --redis ${shown}: "/", "@", "?" and "#" of a password must be percent-encoded, ` +
        "as %2F, %40, %3F and %23",
    );
  }
  const url = URL.parse(text);
  if (url && ["redis:", "rediss:"].includes(url.protocol) && url.hostname !== "") return;
  throw new UsageError(
    `Cannot use --redis ${shown}: it must be redis://[user:password@]host[:port][/db], or ` +
      "rediss:// for TLS",
  );
}

/** Removes everything between `//` and the last `@` of a URL, well-formed or not. */
function hideSecrets(text: string): string {
  return text.replace(/\/\/\S*@/g, "//***@");
}

/** What to do about an error, if that is not obvious. */
function adviceFor(message: string): string {
  if (/NOAUTH/.test(message)) return " (it needs a password: redis://user:password@host)";
  if (!/certificate/i.test(message)) return "";
  return " (trust your own authority with DENO_CERT=ca.pem)";
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
