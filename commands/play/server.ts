import page from "./page.html" with { type: "text" };
import script from "./page.js" with { type: "text" };
import style from "./page.css" with { type: "text" };
import { UsageError } from "../../cli/errors.ts";
import { isOwnHost, isOwnNavigation, isOwnOrigin, type Listening } from "./access.ts";
import type { Game, GameWatcher, Shown } from "./game.ts";
import {
  type ClientMessage,
  frameBytes,
  parseClientMessage,
  type ServerMessage,
  type State,
  type Welcome,
} from "./protocol.ts";

/** What the page offers. */
export interface ServerOptions {
  readonly hostname: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly welcome: Welcome;
  /** The whole session as an MP4. */
  save(): Promise<Uint8Array<ArrayBuffer>>;
}

const FILES: Readonly<Record<string, { readonly type: string; readonly body: string }>> = {
  "/": { type: "text/html; charset=utf-8", body: page },
  "/page.js": { type: "text/javascript; charset=utf-8", body: script },
  "/page.css": { type: "text/css; charset=utf-8", body: style },
};

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

/** A page that lags behind by this much misses frames instead of slowing the game down. */
const MOST_WAITING = 4 << 20;
/** Runs of actions that a page is told of. */
const HISTORY_RUNS = 200;

/** Serves a game to browsers: the page, the frames as they are made, the session as a video. */
export class PlayServer implements GameWatcher {
  readonly #game: Game;
  readonly #options: ServerOptions;
  readonly #sockets = new Set<WebSocket>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** @throws {UsageError} the port is taken, or may not be used */
  constructor(game: Game, options: ServerOptions) {
    this.#game = game;
    this.#options = options;
    const { hostname, port } = options;
    try {
      this.#server = Deno.serve(
        { hostname, port, onListen() {}, onError: failed },
        (request) => this.#answer(request),
      );
    } catch (error) {
      throw new UsageError(`Cannot listen on ${hostname}:${port}: ${reason(error)}`);
    }
    game.watch(this);
    game.attended = false;
  }

  /** Where the page is. */
  get url(): string {
    const { hostname, port } = this.#listening;
    const name = hostname.includes(":") ? `[${hostname}]` : hostname;
    return `http://${name}:${port}/`;
  }

  get #listening(): Listening {
    return { hostname: this.#options.hostname, port: this.#server.addr.port };
  }

  frame(shown: Shown): void {
    const bytes = binary(shown);
    for (const socket of this.#sockets) {
      if (socket.bufferedAmount < MOST_WAITING) send(socket, bytes);
    }
  }

  changed(): void {
    this.#tell(this.#state());
  }

  refused(message: string): void {
    this.#tell({ type: "error", message });
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    this.#game.unwatch(this);
    for (const socket of this.#sockets) socket.close(1001, "far play has ended");
    await this.#server.shutdown();
  }

  #tell(message: ServerMessage): void {
    const text = JSON.stringify(message);
    for (const socket of this.#sockets) send(socket, text);
  }

  #state(): State {
    const { clip, settings, running, frames, history } = this.#game;
    return {
      type: "state",
      clip,
      settings,
      running,
      frames,
      history: history.text(HISTORY_RUNS),
    };
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { headers, method } = request;
    if (!isOwnHost(headers.get("host"), this.#listening)) return refuse(403, "not this host");
    if (pathname === "/live") return this.#connect(request);
    if (method !== "GET" && method !== "HEAD") return refuse(405, "only GET is served");
    const file = FILES[pathname];
    if (file) {
      return new Response(file.body, { headers: { ...HEADERS, "content-type": file.type } });
    }
    if (pathname !== "/session.mp4") return refuse(404, "there is no such page");
    if (!isOwnNavigation(headers)) return refuse(403, "not for other sites");
    return await this.#session();
  }

  async #session(): Promise<Response> {
    try {
      return new Response(await this.#options.save(), {
        headers: {
          ...HEADERS,
          "content-type": "video/mp4",
          "content-disposition": 'attachment; filename="session.mp4"',
        },
      });
    } catch (error) {
      return refuse(409, (error as Error).message);
    }
  }

  #connect(request: Request): Response {
    if (!isOwnOrigin(request.headers)) return refuse(403, "not for other sites");
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return refuse(426, "this is for WebSocket");
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => this.#welcome(socket);
    socket.onmessage = ({ data }) => this.#receive(socket, data);
    socket.onclose = () => this.#forget(socket);
    socket.onerror = () => this.#forget(socket);
    return response;
  }

  #welcome(socket: WebSocket): void {
    this.#sockets.add(socket);
    send(socket, JSON.stringify(this.#options.welcome));
    const { shown } = this.#game;
    if (shown) send(socket, binary(shown));
    send(socket, JSON.stringify(this.#state())); // last: the page would count that frame twice
    this.#game.attended = true;
  }

  #forget(socket: WebSocket): void {
    this.#sockets.delete(socket);
    if (this.#sockets.size === 0) this.#game.attended = false;
  }

  #receive(socket: WebSocket, data: unknown): void {
    try {
      this.#obey(parseClientMessage(data));
    } catch (error) {
      send(socket, JSON.stringify({ type: "error", message: (error as Error).message }));
    }
  }

  #obey(message: ClientMessage): void {
    const game = this.#game;
    switch (message.type) {
      case "press":
      case "release":
        if (message.action >= this.#options.welcome.actions.length) {
          throw new RangeError(`There is no action ${message.action}`);
        }
        game.input[message.type](message.action);
        return game.poke();
      case "clear":
        return game.input.clear();
      case "run":
        return game.run(message.on);
      case "restart":
        return game.restart(message.clip);
      case "settings":
        return game.configure(message.settings);
    }
  }
}

function binary({ picture, index, action, rate }: Shown): Uint8Array<ArrayBuffer> {
  const { width, height, data: pixels } = picture;
  return frameBytes({ index, rate, action: action ?? -1, width, height, pixels });
}

/** A socket that closed meanwhile is forgotten by its own event. */
function send(socket: WebSocket, data: string | Uint8Array<ArrayBuffer>): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(data);
}

function refuse(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: HEADERS });
}

function failed(error: unknown): Response {
  return refuse(500, error instanceof Error ? error.message : "failed");
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "the port is taken; give another with --port";
  return error instanceof Error ? error.message : String(error);
}
