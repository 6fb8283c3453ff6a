import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { HubSettings } from "../hub/settings.ts";
import { HubRepository } from "../hub/repository.ts";
import type { Target } from "./fuzz.ts";
import { scratchFolder } from "./fuzz_child.ts";
import { inputFrom, parsed } from "./fuzz_queue.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const CONTENT = new TextEncoder().encode("{}\n");
const SHA1 = createHash("sha1").update(`blob ${CONTENT.length}\0`).update(CONTENT).digest("hex");
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const NAMES = ["config.json", "transformer/model.safetensors"];

/** Answers of a hub with two files: model information, the listing, and each file. */
const HUB = {
  info: { _id: "1", id: "a/b", sha: COMMIT, lastModified: "2026-01-01T00:00:00Z" },
  tree: [
    { type: "file", path: NAMES[0], size: CONTENT.length, oid: SHA1 },
    { type: "directory", path: "transformer", size: 0, oid: SHA1 },
    {
      type: "file",
      path: NAMES[1],
      size: CONTENT.length,
      oid: SHA1,
      lfs: { oid: SHA256, size: CONTENT.length, pointerSize: 100 },
    },
  ],
  api: { status: 200, headers: { "content-type": "application/json", "link": "" } },
  small: { status: 200, headers: { "content-length": "3", "etag": `"${SHA1}"` }, body: "{}\n" },
  moved: {
    status: 302,
    headers: { "location": "https://store.example/x", "x-linked-etag": `"${SHA256}"` },
    body: "",
  },
  store: { status: 200, headers: { "content-length": "3", "content-range": "" }, body: "{}\n" },
};

/** The same, but the first answer for a file breaks off, and the next continues it. */
const CUT = {
  ...HUB,
  store: { status: 200, headers: { "etag": `"${SHA256}"` }, body: "{" },
  again: { status: 206, headers: { "content-range": "bytes 1-2/3" }, body: "}\n" },
};

/** Statuses, lengths, ranges, tags, locations and links that a server may send. */
const ANSWERS: readonly unknown[] = [
  ...[202, 204, 206, 301, 304, 307, 308, 401, 403, 404, 408, 416, 418, 429, 500, 503, 599],
  ...["0", "2", "4", "3, 3", "-3", "3x", "9007199254740993", "gzip", "bytes 0-2/3", "bytes */3"],
  ...["file:///etc/passwd", "http://store.example/x", "https://hub.example/a/b", "//[", "data:,{}"],
  ...["https://hf_secret@store.example/", "ftp://store.example/", "?", "../../..", SHA1, SHA256],
  ...['<https://hub.example/api/x>; rel="next"', '<file:///x>; rel="next"', '<x>; rel="next"'],
  ...["TRANSFORMER/model.safetensors", "config.json", "Config.json", "{}\n{}\n", "{}", "\n{}"],
];

type Json = Readonly<Record<string, unknown>>;

const record = (value: unknown): Json =>
  typeof value === "object" && value !== null ? value as Json : {};

/** The described answer, or the nearest one that the platform can represent. */
function answer(described: unknown, body: string): Response {
  const { status, headers, body: own } = record(described);
  const code = typeof status === "number" && status >= 200 && status <= 599 ? status : 200;
  const isEmpty = [204, 205, 304].includes(Math.trunc(code));
  const text = typeof own === "string" ? own : body;
  const response = new Response(isEmpty ? null : text, { status: Math.trunc(code) });
  for (const [name, value] of Object.entries(record(headers))) {
    try {
      response.headers.set(name, String(value));
    } catch {
      // a server could not send this header either
    }
  }
  return response;
}

function fakeFetch(described: Json): typeof fetch {
  let asked = 0;
  return (input) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const { info, tree, api, small, moved, store, again = store } = described;
    if (url.origin !== "https://hub.example") {
      return Promise.resolve(answer(asked++ === 0 ? store : again, "{}\n"));
    }
    if (url.pathname.includes("/revision/")) {
      return Promise.resolve(answer(api, JSON.stringify(info ?? null)));
    }
    if (url.pathname.startsWith("/api/")) {
      return Promise.resolve(answer(api, JSON.stringify(tree ?? null)));
    }
    return Promise.resolve(answer(url.pathname.endsWith(".json") ? small : moved, "{}\n"));
  };
}

/**
 * Whole pulls from a hub that may answer anything: files that arrive are right and in the cache.
 */
export function hubTarget(): Target {
  const root = scratchFolder();
  const cache = join(root, "cache");
  const settings: HubSettings = {
    endpoint: "https://hub.example",
    cache,
    models: join(root, "models"),
    token: "hf_secret",
    offline: false,
    copies: false,
    timeout: 1,
  };
  return {
    slow: 10_000, // it writes and syncs files
    make: (m) => inputFrom(m, [HUB, CUT], ANSWERS),
    read: async (input) => {
      const tools = {
        fetch: fakeFetch(record(parsed(input))),
        sleep: () => Promise.resolve(),
        random: () => 0,
      };
      try {
        const hub = new HubRepository("a/b", { settings, tools });
        const { pulled } = await hub.pull("main", { choose: (all) => [...all] });
        for (const { path } of pulled) await holdFile(path, cache);
      } finally {
        emptyRoot(root, cache);
      }
    },
  };
}

/** Removes what a pull has made. @throws {Error} if it wrote outside the cache */
function emptyRoot(root: string, cache: string): void {
  const made = [...Deno.readDirSync(root)].map(({ name }) => name);
  if (made.some((name) => name !== "cache")) throw new Error(`made ${made} outside`);
  if (made.length > 0) Deno.removeSync(cache, { recursive: true });
}

async function holdFile(path: string, cache: string): Promise<void> {
  const real = await Deno.realPath(path);
  const inside = dirname(real).startsWith(await Deno.realPath(cache));
  const content = await Deno.readFile(real);
  const hash = createHash("sha256").update(content).digest("hex");
  const isRight = hash === SHA256 || content.length === 0;
  if (!inside || !isRight) throw new Error("accepted a file");
}
