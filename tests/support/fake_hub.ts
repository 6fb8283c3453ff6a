// A hub on localhost: the API on one port, the store that it redirects to on another (which is
// another origin). Answers can be made to go wrong, one after the other.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { FetchTools } from "../../hub/fetch.ts";
import type { HubSettings } from "../../hub/settings.ts";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
export const TOKEN = "hf_secret";

/** One way for an answer of the store, or of the API, to go wrong. */
export type Fault =
  | { kind: "status"; status: number; retryAfter?: string }
  | { kind: "cut"; after: number }
  | { kind: "close"; after: number }
  | { kind: "stall"; after: number }
  | { kind: "bytes"; value: number }
  | { kind: "whole" }
  | { kind: "range"; header: string }
  | { kind: "length"; by: number }
  | { kind: "more" }
  | { kind: "gzip" }
  | { kind: "redirect"; location: string }
  | { kind: "json"; text: string }
  | { kind: "ok" };

export interface Seen {
  readonly server: "hub" | "store";
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
export const gitHash = (bytes: Uint8Array) =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** A hub with one repository. */
export class FakeHub {
  readonly repository: string;
  /** Large files are kept in the store, under their sha256. */
  readonly large = new Map<string, Uint8Array>();
  /** Small files come from the hub itself, under git's hash. */
  readonly small = new Map<string, Uint8Array>();
  readonly seen: Seen[] = [];
  /** Faults of each server's next answers, in order. */
  readonly faults: { hub: Fault[]; store: Fault[] } = { hub: [], store: [] };
  readonly #servers: Server[] = [];
  readonly #cache: string;
  #ports = { hub: 0, store: 0 };
  /** Waits that were asked for, in milliseconds. */
  readonly waits: number[] = [];

  private constructor(cache: string, repository: string) {
    this.#cache = cache;
    this.repository = repository;
  }

  static async start(repository = "someone/model"): Promise<FakeHub> {
    const hub = new FakeHub(await Deno.makeTempDir(), repository);
    for (const name of ["hub", "store"] as const) {
      const server = createServer((request, response) => hub.#answer(name, request, response));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      hub.#ports[name] = (server.address() as { port: number }).port;
      hub.#servers.push(server);
    }
    return hub;
  }

  get settings(): HubSettings {
    return {
      endpoint: `http://127.0.0.1:${this.#ports.hub}`,
      cache: `${this.#cache}/hub`,
      models: `${this.#cache}/far`,
      token: TOKEN,
      offline: false,
      copies: false,
      timeout: 5,
    };
  }

  /** The store's address. */
  get store(): string {
    return `http://127.0.0.1:${this.#ports.store}`;
  }

  /** The real network, with waits that are only recorded. */
  get tools(): FetchTools {
    return {
      fetch: (input, init) => fetch(input, init),
      sleep: (milliseconds) => (this.waits.push(milliseconds), Promise.resolve()),
      random: () => 0.5,
    };
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    await Deno.remove(this.#cache, { recursive: true });
  }

  /** Requests to one server, for their paths. */
  requests(server: "hub" | "store"): Seen[] {
    return this.seen.filter((request) => request.server === server);
  }

  #answer(server: "hub" | "store", request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? "/";
    this.seen.push({
      server,
      method: request.method ?? "",
      url,
      authorization: request.headers.authorization,
      range: request.headers.range,
    });
    const fault = this.faults[server].shift() ?? { kind: "ok" };
    if (fault.kind === "status") {
      const headers = fault.retryAfter ? { "retry-after": fault.retryAfter } : {};
      response.writeHead(fault.status, headers).end();
    } else if (fault.kind === "redirect") {
      response.writeHead(302, { location: fault.location }).end();
    } else if (fault.kind === "json") {
      response.writeHead(200, { "content-type": "application/json" }).end(fault.text);
    } else if (url.startsWith("/api/models/")) this.#api(url, request, response);
    else this.#content(server, url, request, response, fault);
  }

  #api(url: string, request: IncomingMessage, response: ServerResponse): void {
    const send = (value: unknown, headers = {}) =>
      response.writeHead(200, { "content-type": "application/json", ...headers })
        .end(JSON.stringify(value));
    const [, , , owner, name, kind, revision] = url.split(/[/?]/);
    const known = `${owner}/${name}` === this.repository &&
      ["main", "v1.0", COMMIT].includes(revision ?? "");
    if (!known) return void response.writeHead(404).end("{}");
    if (kind === "revision") {
      send({ _id: "1", id: this.repository, sha: COMMIT, lastModified: "2026-01-01T00:00:00Z" });
    } else if (kind === "tree") {
      const all = this.#entries();
      const second = url.includes("cursor=2");
      const next = `<${this.settings.endpoint}${url}&cursor=2>; rel="next"`;
      if (second) send(all.slice(2));
      else send(all.slice(0, 2), all.length > 2 ? { link: next } : {});
    } else {
      let body = "";
      request.on("data", (chunk) => body += chunk);
      request.on("end", () => {
        const { paths } = JSON.parse(body) as { paths: string[] };
        send(this.#entries().filter(({ path }) => paths.includes(path)));
      });
    }
  }

  #entries() {
    const large = [...this.large].map(([path, bytes]) => ({
      type: "file",
      path,
      size: bytes.length,
      oid: "f".repeat(40),
      lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 },
    }));
    const small = [...this.small].map(([path, bytes]) => ({
      type: "file",
      path,
      size: bytes.length,
      oid: gitHash(bytes),
    }));
    return [...large, ...small];
  }

  #content(
    server: "hub" | "store",
    url: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault,
  ): void {
    if (server === "store") {
      const bytes = [...this.large.values()].find((bytes) => url === `/${sha256(bytes)}?signed=1`);
      if (!bytes) return void response.writeHead(404).end();
      return sendBytes(bytes, request, response, fault);
    }
    const name = decodeURIComponent(url.slice(`/${this.repository}/resolve/${COMMIT}/`.length));
    const large = this.large.get(name);
    if (large) {
      const hash = sha256(large);
      const headers = { location: `${this.store}/${hash}?signed=1`, "x-linked-etag": `"${hash}"` };
      return void response.writeHead(302, headers).end();
    }
    const small = this.small.get(name);
    if (!small) return void response.writeHead(404).end();
    sendBytes(small, request, response, fault);
  }
}

function sendBytes(
  bytes: Uint8Array,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault,
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? -1);
  const partial = start >= 0 && fault.kind !== "whole";
  if (partial && start >= bytes.length) return void response.writeHead(416).end();
  let body = partial ? bytes.slice(start) : bytes.slice();
  const headers: Record<string, string> = { etag: '"store"' };
  if (partial) headers["content-range"] = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  if (fault.kind === "range") headers["content-range"] = fault.header;
  if (fault.kind === "gzip") headers["content-encoding"] = "x-far";
  if (fault.kind === "bytes") body = body.fill(fault.value);
  if (fault.kind === "more") body = Uint8Array.from([...body, 0]);
  const length = body.length + (fault.kind === "length" ? fault.by : 0);
  if (fault.kind !== "close" && fault.kind !== "more") headers["content-length"] = String(length);
  if (fault.kind === "close") headers.connection = "close";
  response.writeHead(partial ? 206 : 200, headers);
  if (fault.kind === "cut" || fault.kind === "stall") {
    response.write(body.slice(0, fault.after), () => {
      if (fault.kind === "cut") setTimeout(() => response.socket?.destroy(), 20);
    });
  } else if (fault.kind === "close") response.end(body.slice(0, fault.after));
  else if (fault.kind === "length") {
    response.write(body, () => setTimeout(() => response.socket?.destroy(), 20));
  } else response.end(body);
}
