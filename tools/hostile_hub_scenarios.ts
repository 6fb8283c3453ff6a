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

/** A hub whose answers are sound but for one part, and what a pull from it says. */
type Row = readonly [name: string, reply: (asked: Asked) => Reply, says: RegExp];

/** The first half of the file, then nothing; later requests get the second answer. */
const halfThen = (later: (asked: Asked) => Reply) => (asked: Asked) =>
  asked.times === 0
    ? [head({ "Content-Length": CONTENT.length }), CONTENT.slice(0, 30)]
    : later(asked);
const part = (range: string, body: string) => [
  head({ "Content-Range": range }, "206 Partial Content"),
  body,
];
const page = (body: string, next: string) => whole(body, { Link: `<${next}>; rel="next"` });

const BROKE = /its answer broke off|Cannot reach|no answer/;
const ENDLESS = /its listing is endless/;
const TOO_LONG = /its answer is too long/;
const UNREACHABLE = /Cannot reach 127/;
const ONE_FILE = /would be one file on some systems/;
const BROKE_OFTEN = /the connection broke 6 times/;
const WRONG_HASH = /the download has the hash/;

/** What the whole hub answers. */
const WHOLE: readonly Row[] = [
  ["accepts and says nothing", silence, /no answer for 1 s/],
  ["closes at once", () => [], UNREACHABLE],
  ["speaks no HTTP", () => endless("\x1b[2JSSH-2.0-x\n"), UNREACHABLE],
  [
    "endless header line",
    () => after(["HTTP/1.1 200 OK\r\nX: "], endless("x".repeat(65536))),
    UNREACHABLE,
  ],
  [
    "endless header lines",
    () => after(["HTTP/1.1 200 OK\r\n"], endless("X: y\r\n".repeat(1000))),
    UNREACHABLE,
  ],
  ["goes on for ever", () => endless("HTTP/1.1 100 Continue\r\n\r\n", 10), UNREACHABLE],
  ["captive portal", () => whole("<html>log in</html>"), /not understood/],
  [
    "busy for ever",
    () => [head({ "Retry-After": 1 }, "429 Too Many Requests")],
    /limits requests/,
  ],
  ["broken for ever", () => [head({}, "503 Down")], /answers 503/],
];

/** What it answers about the repository. */
const INFOS: readonly Row[] = [
  ["info stalls", () => after([head({ "Content-Length": 100 }), "{"], silence()), BROKE],
  ["info drips", () => after([head({ "Content-Length": 10_000 })], endless(" ", 300)), BROKE],
  ["info is cut", () => [head({ "Content-Length": 100 }), '{"sha":'], BROKE],
  ["info nests deep", () => whole("[".repeat(4_000_000)), /not understood/],
  ["commit leads out", () => json({ ...INFO, sha: "../../../../x" }), /commit|not understood/],
];

/** The answers with which it lists the files. */
const LISTINGS: readonly Row[] = [
  [
    "listing has no end of pages",
    ({ path, address }) =>
      page(JSON.stringify([entry(`f${path.length}.json`)]), `${address}${path}&cursor=x`),
    ENDLESS,
  ],
  [
    "listing is its own next page",
    ({ path, address }) => page("[]", `${address}${path}`),
    ENDLESS,
  ],
  ["listing has no end", () => after([CHUNKED], endless(chunk(" ".repeat(65536)))), TOO_LONG],
  ["listing is a gzip bomb", bomb, TOO_LONG],
  ["listing has broken chunks", () => [CHUNKED, "zz\r\n[]\r\n"], BROKE],
  ["listing claims a long body", () => [head({ "Content-Length": 2 ** 53 }), "[]"], BROKE],
  [
    "listing's next page is a file",
    () => page("[]", "file:///etc/passwd"),
    /Cannot|not understood/,
  ],
];

/** Files that it lists. */
const LISTED: readonly (readonly [name: string, entries: readonly unknown[], says: RegExp])[] = [
  ["case twins", [entry("transformer/config.json"), entry("transformer/Config.json")], ONE_FILE],
  ["twins of one sound", [entry("vae/stra\u00dfe.json"), entry("vae/STRASSE.json")], ONE_FILE],
  [
    "listed twice",
    [entry("vae/config.json"), entry("vae/config.json", 3)],
    /lists "vae\/config.json" twice/,
  ],
  [
    "size beyond the disk",
    [entry("vae/config.json", 2 ** 52)],
    /needs \d+ MB and .* has \d+ MB left/,
  ],
  ["size below 0", [entry("vae/config.json", -1)], /no usable size/],
  ...[
    "vae/..\\..\\x.json",
    "vae/C:x.json",
    "clips/nul.npz",
    "vae/a\x1b[2J.json",
    `vae/${"x".repeat(500)}.json`,
  ].map((path) =>
    [
      `file ${JSON.stringify(path.slice(0, 20))}`,
      [entry(path), entry("config.json")],
      /Cannot use .*: it is not a plain file path/,
    ] as const
  ),
];

/** The answers to a request for a file. */
const FILES: readonly Row[] = [
  ["redirects in a circle", () => moved("?again"), /more than 5 redirects/],
  ...[
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:,x",
    "http://me:pw@127.0.0.1/x",
    "http://[",
    "http://x/\x1b[2J",
  ].map((location): Row => [
    `redirects to ${JSON.stringify(location)}`,
    () => moved(location),
    /which is not secure|Cannot reach/,
  ]),
  [
    "file stalls",
    () => after([head({ "Content-Length": CONTENT.length }), "{"], silence()),
    BROKE_OFTEN,
  ],
  [
    "file is cut at one place",
    () => [head({ "Content-Length": CONTENT.length }), CONTENT.slice(0, 9)],
    BROKE_OFTEN,
  ],
  [
    "file is cut, then 416",
    halfThen(() => [head({}, "416 Range Not Satisfiable")]),
    /the connection broke|answers 416/,
  ],
  [
    "file goes on elsewhere",
    halfThen(() => part("bytes 0-29/60", "")),
    /the server sends "bytes 0-29\/60"/,
  ],
  ["file goes on wrong", halfThen(() => part("bytes 30-59/60", "x".repeat(30))), WRONG_HASH],
  [
    "file is longer than listed",
    () => after([CHUNKED], endless(chunk(CONTENT))),
    /the server sends more than its 60 bytes/,
  ],
  ["file has another length", () => whole("x"), /its length on the server is 1, not 60/],
  ["file is a gzip bomb", bomb, /the server (compressed|sends more)|its length on/],
  [
    "file is not found",
    () => [head({}, "404 Not Found")],
    /no such repository, revision or file/,
  ],
];

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
  ...WHOLE.map(([name, reply, says]) => ({ name, reply, says })),
  ...INFOS.map(([name, info, says]) => ({ name, reply: hub({ info }), says })),
  ...LISTINGS.map(([name, tree, says]) => ({ name, reply: hub({ tree }), says })),
  ...LISTED.map(([name, entries, says]) => ({
    name,
    reply: hub({ tree: () => json([entry("model_index.json"), ...entries]) }),
    says,
  })),
  ...FILES.map(([name, file, says]) => ({ name, target: FILE, reply: hub({ file }), says })),
  ...RELEASED.map(([what, tree, says]) => ({
    name: `released model: the hub lists ${what}`,
    target: "FAR_B_bair_res64_200K_bs32",
    reply: hub({ tree: () => json(tree) }),
    says,
  })),
  {
    name: "listing's next page is elsewhere",
    reply: hub({ tree: ({ other }) => page("[]", `${other}/api`) }),
    other: () => json([entry("../../x")]),
    says: /Cannot pull/,
  },
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
    says: WRONG_HASH,
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
];
