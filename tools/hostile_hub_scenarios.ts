/** What the hubs of `hostile_hub.ts` answer, and what a pull from each must say. */
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { gzipSync } from "node:zlib";

/** Parts of an answer; the connection is closed after the last one. */
export type Reply = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** A request as a scenario sees it. */
export interface Asked {
  readonly path: string;
  /** How often the path was asked for before. */
  readonly times: number;
  /** The hub's own address. */
  readonly address: string;
  /** Address of another server. */
  readonly other: string;
}

/** A hub that does one thing wrong. */
export interface Scenario {
  readonly name: string;
  readonly reply: (asked: Asked) => Reply;
  /** Answers of the other server. */
  readonly other?: (path: string) => Reply;
  /** What is pulled; the whole repository unless told. */
  readonly target?: string;
  /** The line of error, or stderr where the pull succeeds. */
  readonly says: RegExp;
  /** Most seconds: tries and pauses between them included. */
  readonly within?: number;
  /** Exit statuses that are right. */
  readonly status?: readonly number[];
}

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const CONTENT = "{}\n".repeat(20);
const HASH = createHash("sha1").update(`blob ${CONTENT.length}\0${CONTENT}`).digest("hex");
const FILE = "someone/model/config.json";
/** The files of a released model. */
const CHECKPOINTS = [
  "short_video_prediction/FAR_B_BAIR_Uncond64-1983191b.pth",
  "dcae/DCAE_BAIR_Res64-1a8547fb.pth",
];

const head = (headers: Readonly<Record<string, string | number>> = {}, status = "200 OK") =>
  `HTTP/1.1 ${status}\r\nConnection: close\r\n` +
  Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("") + "\r\n";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const whole = (body: string, headers: Readonly<Record<string, string | number>> = {}) => [
  head({ "Content-Type": "text/plain", "Content-Length": bytesOf(body).length, ...headers }),
  body,
];
const json = (value: unknown) => whole(JSON.stringify(value));
const moved = (location: string) => [head({ Location: location }, "302 Found")];

const entry = (path: string, size = CONTENT.length) => ({ type: "file", path, size, oid: HASH });
const INFO = { _id: "1", id: "someone/model", sha: COMMIT, lastModified: "2026-01-01T00:00:00Z" };

/** A sound hub, except for the answers that `parts` replaces. */
function hub(parts: {
  readonly info?: (asked: Asked) => Reply;
  readonly tree?: (asked: Asked) => Reply;
  readonly file?: (asked: Asked) => Reply;
}): (asked: Asked) => Reply {
  return (asked) => {
    const { path } = asked;
    if (path.includes("/revision/")) return parts.info?.(asked) ?? json(INFO);
    if (path.startsWith("/api/")) return parts.tree?.(asked) ?? json([entry("config.json")]);
    return parts.file?.(asked) ?? whole(CONTENT);
  };
}

/** The same text again and again, with pauses. */
async function* endless(text: string | Uint8Array, milliseconds = 0): AsyncGenerator<
  string | Uint8Array
> {
  for (;;) {
    yield text;
    await wait(milliseconds);
  }
}

async function* after(first: Iterable<string>, rest: Reply): AsyncGenerator<string | Uint8Array> {
  yield* first;
  yield* rest;
}

async function* silence(): AsyncGenerator<string> {
  yield await wait(600_000, "");
}

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const CHUNKED = head({ "Content-Type": "application/json", "Transfer-Encoding": "chunked" });

const BOMB = gzipSync(" ".repeat(200_000_000));

function bomb(): Reply {
  return [
    head({
      "Content-Type": "application/json",
      "Content-Encoding": "gzip",
      "Content-Length": BOMB.length,
    }),
    BOMB,
  ];
}

const listing = (...entries: unknown[]) =>
  hub({ tree: () => json([entry("model_index.json"), ...entries]) });
const redirected = (location: string) => hub({ file: () => moved(location) });

/** The first half of the file, then nothing; later requests get the second answer. */
const halfThen = (later: (asked: Asked) => Reply) =>
  hub({
    file: (asked) =>
      asked.times === 0
        ? [head({ "Content-Length": CONTENT.length }), CONTENT.slice(0, 30)]
        : later(asked),
  });

const BROKE = /its answer broke off|Cannot reach|no answer/;

/** Listings of a released model's files, and what a pull says of them. */
const RELEASED: readonly (readonly [what: string, tree: unknown, says: RegExp])[] = [
  ["an object", {}, /not understood/],
  ["nothing", null, /not understood/],
  ["no files", [], /no such repository, revision or file/],
  ["other files", [entry("../../x.pth")], /no such repository, revision or file/],
  ["no sizes", CHECKPOINTS.map((path) => ({ type: "file", path, oid: HASH })), /usable size/],
  ["files that are wrong", CHECKPOINTS.map((path) => entry(path)), /sha256 begins with/],
];

/** Every hub. */
export const SCENARIOS: readonly Scenario[] = [
  { name: "accepts and says nothing", reply: silence, says: /no answer for 1 s/ },
  { name: "closes at once", reply: () => [], says: /Cannot reach 127/ },
  { name: "speaks no HTTP", reply: () => endless("\x1b[2JSSH-2.0-x\n"), says: /Cannot reach 127/ },
  {
    name: "endless header line",
    reply: () => after(["HTTP/1.1 200 OK\r\nX: "], endless("x".repeat(65536))),
    says: /Cannot reach 127/,
  },
  {
    name: "endless header lines",
    reply: () => after(["HTTP/1.1 200 OK\r\n"], endless("X: y\r\n".repeat(1000))),
    says: /Cannot reach 127/,
  },
  {
    name: "goes on for ever",
    reply: () => endless("HTTP/1.1 100 Continue\r\n\r\n", 10),
    says: /Cannot reach 127/,
  },
  { name: "captive portal", reply: () => whole("<html>log in</html>"), says: /not understood/ },
  {
    name: "info stalls",
    reply: hub({ info: () => after([head({ "Content-Length": 100 }), "{"], silence()) }),
    says: BROKE,
  },
  {
    name: "info drips",
    reply: hub({ info: () => after([head({ "Content-Length": 10_000 })], endless(" ", 300)) }),
    says: BROKE,
  },
  {
    name: "info is cut",
    reply: hub({ info: () => [head({ "Content-Length": 100 }), '{"sha":'] }),
    says: BROKE,
  },
  {
    name: "info nests deep",
    reply: hub({ info: () => whole("[".repeat(4_000_000)) }),
    says: /not understood/,
  },
  {
    name: "commit leads out",
    reply: hub({ info: () => json({ ...INFO, sha: "../../../../x" }) }),
    says: /commit|not understood/,
  },
  {
    name: "listing has no end of pages",
    reply: hub({
      tree: ({ path, address }) =>
        whole(JSON.stringify([entry(`f${path.length}.json`)]), {
          Link: `<${address}${path}&cursor=x>; rel="next"`,
        }),
    }),
    says: /its listing is endless/,
  },
  {
    name: "listing is its own next page",
    reply: hub({
      tree: ({ path, address }) => whole("[]", { Link: `<${address}${path}>; rel="next"` }),
    }),
    says: /its listing is endless/,
  },
  {
    name: "listing has no end",
    reply: hub({ tree: () => after([CHUNKED], endless(chunk(" ".repeat(65536)))) }),
    says: /its answer is too long/,
  },
  {
    name: "listing is a gzip bomb",
    reply: hub({ tree: () => bomb() }),
    says: /its answer is too long/,
  },
  {
    name: "listing has broken chunks",
    reply: hub({ tree: () => [CHUNKED, "zz\r\n[]\r\n"] }),
    says: BROKE,
  },
  {
    name: "listing claims a long body",
    reply: hub({ tree: () => [head({ "Content-Length": 2 ** 53 }), "[]"] }),
    says: BROKE,
  },
  {
    name: "listing's next page is a file",
    reply: hub({ tree: () => whole("[]", { Link: '<file:///etc/passwd>; rel="next"' }) }),
    says: /Cannot|not understood/,
  },
  {
    name: "listing's next page is elsewhere",
    reply: hub({ tree: ({ other }) => whole("[]", { Link: `<${other}/api>; rel="next"` }) }),
    other: () => json([entry("../../x")]),
    says: /Cannot pull/,
  },
  {
    name: "case twins",
    reply: listing(entry("transformer/config.json"), entry("transformer/Config.json")),
    says: /would be one file on some systems/,
  },
  {
    name: "twins of one sound",
    reply: listing(entry("vae/stra\u00dfe.json"), entry("vae/STRASSE.json")),
    says: /would be one file on some systems/,
  },
  {
    name: "listed twice",
    reply: listing(entry("vae/config.json"), entry("vae/config.json", 3)),
    says: /lists "vae\/config.json" twice/,
  },
  ...[
    "vae/..\\..\\x.json",
    "vae/C:x.json",
    "clips/nul.npz",
    "vae/a\x1b[2J.json",
    `vae/${"x".repeat(500)}.json`,
  ]
    .map((path) => ({
      name: `file ${JSON.stringify(path.slice(0, 20))}`,
      reply: listing(entry(path), entry("config.json")),
      says: /Cannot use .*: it is not a plain file path/,
    })),
  {
    name: "size beyond the disk",
    reply: listing(entry("vae/config.json", 2 ** 52)),
    says: /needs \d+ MB and .* has \d+ MB left/,
  },
  { name: "size below 0", reply: listing(entry("vae/config.json", -1)), says: /no usable size/ },
  {
    name: "redirects in a circle",
    target: FILE,
    reply: redirected("?again"),
    says: /more than 5 redirects/,
  },
  ...[
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:,x",
    "http://me:pw@127.0.0.1/x",
    "http://[",
    "http://x/\x1b[2J",
  ].map((location) => ({
    name: `redirects to ${JSON.stringify(location)}`,
    target: FILE,
    reply: redirected(location),
    says: /which is not secure|Cannot reach/,
  })),
  {
    name: "API redirects elsewhere",
    reply: hub({ info: ({ other, path }) => moved(`${other}${path}`) }),
    other: () => json({ ...INFO, sha: "f" }),
    says: /Cannot use "f": it is not a commit hash/,
  },
  {
    name: "file is elsewhere, and wrong",
    target: FILE,
    reply: hub({ file: ({ other }) => moved(`${other}/x`) }),
    other: () => whole("x".repeat(CONTENT.length)),
    says: /the download has the hash/,
  },
  {
    name: "file stalls",
    target: FILE,
    reply: hub({ file: () => after([head({ "Content-Length": CONTENT.length }), "{"], silence()) }),
    says: /the connection broke 6 times/,
  },
  {
    name: "file drips to its end",
    target: FILE,
    reply: hub({
      async *file() {
        yield head({ "Content-Length": CONTENT.length });
        for (const character of CONTENT) yield await wait(50, character);
      },
    }),
    says: /^/,
    status: [0],
  },
  {
    name: "file is cut at one place",
    target: FILE,
    reply: hub({ file: () => [head({ "Content-Length": CONTENT.length }), CONTENT.slice(0, 9)] }),
    says: /the connection broke 6 times/,
  },
  {
    name: "file is cut, then 416",
    target: FILE,
    reply: halfThen(() => [head({}, "416 Range Not Satisfiable")]),
    says: /the connection broke|answers 416/,
  },
  {
    name: "file goes on elsewhere",
    target: FILE,
    reply: halfThen(() => [head({ "Content-Range": "bytes 0-29/60" }, "206 Partial Content"), ""]),
    says: /the server sends "bytes 0-29\/60"/,
  },
  {
    name: "file goes on wrong",
    target: FILE,
    reply: halfThen(() => [
      head({ "Content-Range": "bytes 30-59/60" }, "206 Partial Content"),
      "x".repeat(30),
    ]),
    says: /the download has the hash/,
  },
  {
    name: "file is longer than listed",
    target: FILE,
    reply: hub({ file: () => after([CHUNKED], endless(chunk(CONTENT))) }),
    says: /the server sends more than its 60 bytes/,
  },
  {
    name: "file has another length",
    target: FILE,
    reply: hub({ file: () => whole("x") }),
    says: /its length on the server is 1, not 60/,
  },
  {
    name: "file is a gzip bomb",
    target: FILE,
    reply: hub({ file: () => bomb() }),
    says: /the server (compressed|sends more)|its length on/,
  },
  {
    name: "file is not found",
    target: FILE,
    reply: hub({ file: () => [head({}, "404 Not Found")] }),
    says: /no such repository, revision or file/,
  },
  {
    name: "busy for ever",
    reply: () => [head({ "Retry-After": 1 }, "429 Too Many Requests")],
    says: /limits requests/,
  },
  ...RELEASED.map(([what, tree, says]) => ({
    name: `released model: the hub lists ${what}`,
    target: "FAR_B_bair_res64_200K_bs32",
    reply: hub({ tree: () => json(tree) }),
    says,
  })),
  { name: "broken for ever", reply: () => [head({}, "503 Down")], says: /answers 503/ },
];
