import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
// @ts-types="@types/ws"
import { type WebSocket, WebSocketServer } from "ws";
import { isOwnHost, isOwnNavigation, isOwnOrigin, type Listening } from "./access.ts";
import { Connections } from "./connections.ts";
import type { Game, GameWatcher, Shown } from "../../player/game.ts";
import { pageFile } from "./page_files.ts";
import { frameMessage, obey, stateOf } from "../../player/desk.ts";
import {
  parseClientMessage,
  SAVED_KINDS,
  type SavedKind,
  type ServerMessage,
  type Welcome,
} from "../../player/protocol.ts";

/** Settings of the server. */
export interface ServerOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly welcome: Welcome;
  /** The whole session as an MP4. */
  save(): Promise<Uint8Array<ArrayBuffer>>;
  /** The frames up to a given one, as a file to share. */
  saveBranch(kind: SavedKind, frame: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The command that makes the frames up to a given one again, if there is one. */
  command(frame: number): string | undefined;
}

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Most connections: enough for a few pages. */
const MOST_CONNECTIONS = 48;
/** Most pages. */
const MOST_PAGES = 16;
/** Most bytes of a page's message, over all fragments. */
const LONGEST_MESSAGE = 4096;
/** A page that lags by more bytes than this misses frames instead of slowing the game. */
const MOST_WAITING = 4 << 20;
/** A page that lags by this many bytes of answers is closed. */
const MOST_UNREAD = MOST_WAITING + (1 << 20);
/** Past frames sent to a new page, and bytes of their pictures: fewer than make a page lag. */
const MOST_PAST = 1000;
const MOST_PAST_BYTES = 3 << 20;
/** Time for pages to close. */
const GOODBYE_MS = 200;
const GOING_AWAY = 1001;

/**
 * Serves a game to browsers: the page, frames as they are generated, and the session as a video.
 */
export class PlayServer implements GameWatcher {
  readonly #http = createServer((request, response) => this.#serve(request, response));
  readonly #pages = new WebSocketServer({
    noServer: true,
    maxPayload: LONGEST_MESSAGE,
    perMessageDeflate: false,
  });
  readonly #connections: Connections;
  #saving: Promise<Uint8Array<ArrayBuffer>> | undefined;

  /** @throws {UsageError} the port is in use or not permitted */
  constructor(private readonly game: Game, private readonly options: ServerOptions) {
    this.#http.on("upgrade", (request, socket, head) => this.#connect(request, socket, head));
    this.#connections = new Connections(
      options,
      MOST_CONNECTIONS,
      (connection) => this.#http.emit("connection", connection),
    );
    game.watch(this);
    game.attended = false;
  }

  /** Address of the page. */
  get url(): string {
    const { hostname, port } = this.#listening;
    const name = hostname.includes(":") ? `[${hostname}]` : hostname;
    return `http://${name}:${port}/`;
  }

  get #listening(): Listening {
    return { hostname: this.options.hostname, port: this.#connections.port };
  }

  frame(shown: Shown): void {
    const bytes = frameMessage(shown);
    for (const page of this.#pages.clients) {
      if (page.bufferedAmount < MOST_WAITING) send(page, bytes);
    }
  }

  changed(): void {
    this.#tell(stateOf(this.game));
  }

  refused(message: string): void {
    this.#tell({ type: "error", message });
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    this.game.unwatch(this);
    const { clients } = this.#pages;
    for (const page of clients) page.close(GOING_AWAY, "far play has ended");
    if (clients.size > 0) await new Promise((resolve) => setTimeout(resolve, GOODBYE_MS));
    this.#connections.close();
    this.#http.close();
  }

  #tell(message: ServerMessage): void {
    const text = JSON.stringify(message);
    for (const page of this.#pages.clients) send(page, text);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body, headers = {} } = await this.#answer(request);
    response.writeHead(status, { ...HEADERS, ...headers, "content-length": body.length });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  async #answer({ url = "/", method, headers }: IncomingMessage): Promise<Answer> {
    const [path = "/", query = ""] = url.split("?");
    if (!isOwnHost(headers.host, this.#listening)) return refuse(403, "not this host");
    if (path === "/live") return refuse(426, "this is for WebSocket");
    if (method !== "GET" && method !== "HEAD") return refuse(405, "only GET is served");
    const file = await pageFile(path);
    if (file) return { status: 200, body: file.body, headers: { "content-type": file.type } };
    const kind = SAVED_KINDS.find((kind) => path === `/walk.${kind}`);
    if (path !== "/session.mp4" && !kind) return refuse(404, "there is no such page");
    if (!isOwnNavigation(headers)) return refuse(403, "not for other sites");
    if (!kind) return await this.#session();
    const frame = Number(new URLSearchParams(query).get("frame") ?? NaN);
    return await saved(`walk.${kind}`, () => this.options.saveBranch(kind, frame));
  }

  /** Requests during a save get that save's result. */
  async #session(): Promise<Answer> {
    return await saved("session.mp4", () => {
      return this.#saving ??= this.options.save().finally(() => this.#saving = undefined);
    });
  }

  #connect(request: IncomingMessage, connection: Duplex, head: Buffer): void {
    const problem = this.#refusal(request);
    if (problem) return void connection.end(plainAnswer(problem));
    this.#connections.keep(connection);
    this.#pages.handleUpgrade(request, connection, head, (page) => {
      page.on("message", (data, binary) => this.#receive(page, binary ? data : String(data)));
      page.on("close", () => this.#forget());
      page.on("error", () => {}); // it closes then
      this.#welcome(page);
    });
  }

  /** Why a page may not connect, if so. */
  #refusal({ url = "/", headers }: IncomingMessage): Answer | undefined {
    if (!isOwnHost(headers.host, this.#listening)) return refuse(403, "not this host");
    if (url.split("?")[0] !== "/live") return refuse(404, "there is no such page");
    if (!isOwnOrigin(headers)) return refuse(403, "not for other sites");
    if (this.#pages.clients.size < MOST_PAGES) return undefined;
    return refuse(503, `there are ${MOST_PAGES} pages already`);
  }

  #welcome(page: WebSocket): void {
    send(page, JSON.stringify(this.options.welcome));
    const { shown, timeline } = this.game;
    const past = shown ? timeline.newest(shown.id, MOST_PAST_BYTES).slice(-MOST_PAST) : [];
    for (const { shown } of past) send(page, frameMessage({ ...shown, rate: 0 }));
    send(page, JSON.stringify(stateOf(this.game))); // last, or the page would count those frames twice
    this.game.attended = true;
  }

  #forget(): void {
    if (this.#pages.clients.size === 0) this.game.attended = false;
  }

  #receive(page: WebSocket, data: unknown): void {
    try {
      const { welcome: { actions }, command } = this.options;
      const message = parseClientMessage(data);
      if (message.type === "command") {
        send(page, JSON.stringify({ type: "command", command: command(message.frame) }));
      } else if (message.type !== "save") obey(this.game, message, actions.length);
    } catch (error) {
      send(page, JSON.stringify({ type: "error", message: (error as Error).message }));
    }
  }
}

/** Sends to a page; a closed one is removed by its own event. */
function send(page: WebSocket, data: string | Uint8Array): void {
  if (page.bufferedAmount > MOST_UNREAD) page.terminate();
  if (page.readyState === page.OPEN) page.send(data);
}

/** An answer to a request. */
interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A file to download, or the error. */
async function saved(name: string, make: () => Promise<Uint8Array<ArrayBuffer>>): Promise<Answer> {
  const type = name.endsWith(".gif") ? "image/gif" : "video/mp4";
  try {
    return {
      status: 200,
      body: await make(),
      headers: { "content-type": type, "content-disposition": `attachment; filename="${name}"` },
    };
  } catch (error) {
    return refuse(409, (error as Error).message);
  }
}

function refuse(status: number, text: string): Answer {
  return { status, body: Buffer.from(`${text}\n`) };
}

/** An answer to a request to upgrade, which has no response of its own. */
function plainAnswer({ status, body }: Answer): Buffer {
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n` +
    `content-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
