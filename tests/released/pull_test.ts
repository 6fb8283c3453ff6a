import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { pull, type Pulled, type PullOptions } from "../../released/pull.ts";
import { parseTarget } from "../../hub/names.ts";
import { COMMIT, FakeHub, type Fault, gitHash, sha256, TOKEN } from "../support/fake_hub.ts";

const WEIGHTS = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 3);
const FILE = "transformer/weights.bin";

async function withHub(use: (hub: FakeHub, options: PullOptions) => Promise<void>): Promise<void> {
  const hub = await FakeHub.start();
  hub.large.set(FILE, WEIGHTS);
  hub.small.set("model_index.json", new TextEncoder().encode(`{"_class_name":"FARPipeline"}`));
  hub.small.set("notes.txt", new TextEncoder().encode("not part of a model"));
  hub.large.set("transformer/model.safetensors", WEIGHTS.slice(0, 1000));
  try {
    await use(hub, { settings: hub.settings, tools: hub.tools });
  } finally {
    await hub.stop();
  }
}

const one = (options: PullOptions, name = FILE, revision = "main"): Promise<Pulled> =>
  pull({ repository: "someone/model", file: name, revision }, options);

async function tree(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) found.push(...(await tree(path)).map((name) => `${entry.name}/${name}`));
    else found.push(entry.name);
  }
  return found.sort();
}

Deno.test("pull() puts a file where the Python client looks for it", async () => {
  await withHub(async (hub, options) => {
    const progress: number[] = [];
    const onProgress = (done: number, total: number) => {
      progress.push(done);
      equal(total, WEIGHTS.length);
    };
    const pulled = await one({ ...options, onProgress });
    deepEqual(await Deno.readFile(pulled.path), WEIGHTS);
    equal(pulled.commit, COMMIT);
    const folder = join(hub.settings.cache, "models--someone--model");
    deepEqual(await tree(folder), [
      `blobs/${sha256(WEIGHTS)}`,
      "refs/main",
      `snapshots/${COMMIT}/${FILE}`,
    ]);
    equal(pulled.path, join(folder, "snapshots", COMMIT, FILE));
    equal(await Deno.readLink(pulled.path), `../../../blobs/${sha256(WEIGHTS)}`);
    equal(await Deno.readTextFile(join(folder, "refs/main")), COMMIT);
    equal(progress.at(-1), WEIGHTS.length);
  });
});

Deno.test("pull() names small files by git's hash", async () => {
  await withHub(async (hub, options) => {
    const pulled = await one(options, "model_index.json", "v1.0");
    const hash = gitHash(hub.small.get("model_index.json")!);
    equal(await Deno.readLink(pulled.path), `../../blobs/${hash}`);
    const refs = join(hub.settings.cache, "models--someone--model", "refs");
    deepEqual(await tree(refs), ["v1.0"]);
  });
});

Deno.test("pull() of a repository takes the model's files and nothing else", async () => {
  await withHub(async (hub, options) => {
    for (const name of ["clips/0.npz", "clips/run.sh"]) hub.small.set(name, Uint8Array.of(1));
    const pulled = await pull(parseTarget("someone/model"), options);
    const wanted = ["clips/0.npz", "model_index.json", "transformer/model.safetensors"];
    deepEqual(pulled.files.map(({ name }) => name), wanted);
    deepEqual(await tree(pulled.path), wanted);
  });
});

Deno.test("pull() of a repository that is not a model lists its files", async () => {
  await withHub(async (hub, options) => {
    hub.small.delete("model_index.json");
    await rejects(pull(parseTarget("someone/model"), options), {
      reason: "Hub",
      message: /not a model folder .* such as "transformer\/model.safetensors"/,
    });
  });
});

Deno.test("pull() fetches nothing that is there, not even what another tool fetched", async () => {
  await withHub(async (hub, options) => {
    const folder = join(hub.settings.cache, "models--someone--model");
    await Deno.mkdir(join(folder, "blobs"), { recursive: true });
    await Deno.writeFile(join(folder, "blobs", sha256(WEIGHTS)), WEIGHTS);
    for (let i = 0; i < 2; i++) await one(options);
    equal(hub.requests("store").length, 0);
  });
});

Deno.test("pull() replaces a blob of another length", async () => {
  await withHub(async (hub, options) => {
    const blobs = join(hub.settings.cache, "models--someone--model", "blobs");
    await Deno.mkdir(blobs, { recursive: true });
    await Deno.writeFile(join(blobs, sha256(WEIGHTS)), WEIGHTS.slice(5));
    deepEqual(await Deno.readFile((await one(options)).path), WEIGHTS);
  });
});

Deno.test("pull() sends the token to the hub's own origin and nowhere else", async () => {
  await withHub(async (hub, options) => {
    await one(options);
    ok(hub.requests("hub").length >= 3);
    for (const { authorization } of hub.requests("hub")) equal(authorization, `Bearer ${TOKEN}`);
    equal(hub.requests("store").length, 1);
    for (const { authorization } of hub.requests("store")) equal(authorization, undefined);
  });
});

for (const status of [301, 302, 303, 307, 308]) {
  Deno.test(`pull() keeps the token from another origin after status ${status}`, async () => {
    await withHub(async (hub, options) => {
      const location = `${hub.store}/${sha256(WEIGHTS)}?signed=1`;
      const answer = (input: string | URL | Request, init?: RequestInit) =>
        String(input).includes("/resolve/")
          ? Promise.resolve(new Response(null, { status, headers: { location } }))
          : fetch(input, init);
      await one({ ...options, tools: { ...hub.tools, fetch: answer } });
      deepEqual(hub.requests("store").map(({ authorization }) => authorization), [undefined]);
    });
  });
}

const RESUMED: [what: string, faults: Fault[]][] = [
  ["a connection that is cut", [{ kind: "cut", after: 100_000 }]],
  ["connections that are cut again and again", Array(20).fill({ kind: "cut", after: 10_000 })],
  ["a connection that is closed early", [{ kind: "close", after: 70_000 }]],
  ["a server that is busy", [{ kind: "status", status: 503 }, { kind: "status", status: 500 }]],
  ["a length that is promised and not kept", [{ kind: "length", by: 0 }, { kind: "ok" }]],
  ["a server that doesn't know ranges", [{ kind: "cut", after: 1000 }, { kind: "whole" }]],
  ["a range that is refused", [{ kind: "cut", after: 1000 }, { kind: "status", status: 416 }]],
];
for (const [what, faults] of RESUMED) {
  Deno.test(`pull() survives ${what}`, async () => {
    await withHub(async (hub, options) => {
      hub.faults.store.push(...faults);
      deepEqual(await Deno.readFile((await one(options)).path), WEIGHTS);
    });
  });
}

Deno.test("pull() asks for the rest only", async () => {
  await withHub(async (hub, options) => {
    hub.faults.store.push({ kind: "cut", after: 100_000 });
    await one(options);
    const [first, second] = hub.requests("store");
    equal(first?.range, undefined);
    match(second?.range ?? "", /^bytes=\d+-$/);
    ok(Number(second?.range?.slice(6, -1)) > 0);
  });
});

Deno.test("pull() continues in another run, and hashes the parts it kept", async () => {
  await withHub(async (hub, options) => {
    const controller = new AbortController();
    const onProgress = (done: number) => void (done > 100_000 && controller.abort());
    hub.faults.store.push({ kind: "stall", after: 150_000 });
    const stopped = one({ ...options, onProgress, signal: controller.signal });
    await rejects(stopped, { name: "AbortError" });
    const folder = join(hub.settings.cache, "models--someone--model");
    deepEqual(await tree(folder), [`blobs/${sha256(WEIGHTS)}.far.incomplete`]);
    await one(options);
    ok(Number(hub.requests("store").at(-1)?.range?.slice(6, -1)) > 100_000);
  });
});

Deno.test("pull() begins again where what an earlier run left is wrong", async () => {
  await withHub(async (hub, options) => {
    const blobs = join(hub.settings.cache, "models--someone--model", "blobs");
    await Deno.mkdir(blobs, { recursive: true });
    const left = join(blobs, `${sha256(WEIGHTS)}.far.incomplete`);
    await Deno.writeFile(left, new Uint8Array(5000).fill(9));
    deepEqual(await Deno.readFile((await one(options)).path), WEIGHTS);
    await Deno.remove(blobs, { recursive: true });
    await Deno.mkdir(blobs);
    await Deno.writeFile(left, new Uint8Array(WEIGHTS.length + 1)); // longer than the file
    await one(options);
    deepEqual(hub.requests("store").map(({ range }) => range), [
      "bytes=5000-",
      undefined,
      undefined,
    ]);
  });
});

const REFUSED: [what: string, faults: Fault[], message: RegExp][] = [
  ["wrong bytes", [{ kind: "bytes", value: 7 }], /the download has the hash/],
  ["more bytes than there are", [{ kind: "more" }], /more than its 300000 bytes/],
  ["another length", [{ kind: "length", by: 5 }], /its length on the server is 300005, not 300000/],
  [
    "a shorter length",
    [{ kind: "length", by: -5 }],
    /its length on the server is 299995, not 300000/,
  ],
  ["compressed content", [{ kind: "gzip" }], /server compressed/],
  [
    "a part that wasn't asked for",
    [{ kind: "cut", after: 1000 }, { kind: "range", header: "bytes 0-9/300000" }],
    /sends "bytes 0-9\/300000"/,
  ],
];
for (const [what, faults, message] of REFUSED) {
  Deno.test(`pull() refuses ${what} and keeps no blob`, async () => {
    await withHub(async (hub, options) => {
      hub.faults.store.push(...faults);
      await rejects(one(options), { reason: "BadDownload", message });
      const folder = join(hub.settings.cache, "models--someone--model");
      const whole = (await tree(folder)).filter((name) => !name.endsWith(".incomplete"));
      deepEqual(whole, []);
      deepEqual(await Deno.readFile((await one(options)).path), WEIGHTS);
    });
  });
}

Deno.test("pull() gives up on a stalled connection, and says how to continue", async () => {
  await withHub(async (hub, options) => {
    hub.faults.store.push(...Array(7).fill({ kind: "stall", after: 0 }));
    const settings = { ...hub.settings, timeout: 0.1 };
    await rejects(one({ ...options, settings }), {
      reason: "Hub",
      temporary: true,
      message: /Cannot (reach|pull) .*(no answer|no data|run it again)/,
    });
  });
});

const STATUSES: [status: number, message: RegExp, temporary: boolean][] = [
  [401, /no such repository, or a private one: set HF_TOKEN/, false],
  [403, /accept its conditions on the hub, and set HF_TOKEN/, false],
  [404, /no such repository, revision or file/, false],
  [400, /answers 400/, false],
];
for (const [status, message, temporary] of STATUSES) {
  Deno.test(`pull() explains status ${status} and doesn't try again`, async () => {
    await withHub(async (hub, options) => {
      hub.faults.hub.push({ kind: "status", status });
      await rejects(one(options), { reason: "Hub", message, temporary });
      equal(hub.seen.length, 1);
      hub.faults.store.push({ kind: "status", status });
      await rejects(one(options), { reason: "Hub", message, temporary });
    });
  });
}

Deno.test("pull() waits as long as Retry-After says, and no longer than a minute", async () => {
  await withHub(async (hub, options) => {
    hub.faults.hub.push(
      { kind: "status", status: 429, retryAfter: "7" },
      { kind: "status", status: 429, retryAfter: "86400" },
      { kind: "status", status: 429, retryAfter: new Date(0).toUTCString() },
    );
    await one(options);
    deepEqual(hub.waits, [7000, 60_000, 0]);
  });
});

for (const status of [408, 425, 429, 500, 502, 503, 504]) {
  Deno.test(`pull() tries again after status ${status}, five times in all`, async () => {
    await withHub(async (hub, options) => {
      hub.faults.hub.push(...Array(5).fill({ kind: "status", status }));
      await rejects(one(options), { reason: "Hub", temporary: true });
      equal(hub.seen.length, 5);
      deepEqual(hub.waits, [1000, 2000, 4000, 8000]);
    });
  });
}

Deno.test("pull() says that nothing answers", async () => {
  const hub = await FakeHub.start();
  const settings = hub.settings;
  await hub.stop();
  const notes: string[] = [];
  await rejects(one({ settings, tools: hub.tools, onNote: (note) => notes.push(note) }), {
    reason: "Hub",
    temporary: true,
    message: /^Cannot reach 127\.0\.0\.1:\d+: (?!.*(http|client error)).*[Rr]efused/,
  });
  equal(hub.waits.length, 4);
  equal(notes.length, 4);
  for (const note of notes) match(note, /^127\.0\.0\.1:\d+: .*; trying again in \d+ s$/);
});

const LOCATIONS: [what: string, location: string, message: RegExp][] = [
  ["a loop of redirects", "/again", /more than 5 redirects/],
  ["a redirect to a file", "file:///etc/passwd", /not secure/],
  ["a redirect with a password in it", "http://a:b@127.0.0.1/", /not secure/],
];
for (const [what, location, message] of LOCATIONS) {
  Deno.test(`pull() refuses ${what}`, async () => {
    await withHub(async (hub, options) => {
      hub.faults.hub.push(...Array(8).fill({ kind: "redirect", location }));
      await rejects(one(options), { reason: "Hub", message });
    });
  });
}

const ANSWERS: [what: string, text: string][] = [
  ["no JSON", "<html>"],
  ["a list", "[]"],
  ["a commit that is a path", `{"id":"a","sha":"../../x","lastModified":0}`],
  ["no commit", `{"id":"a","lastModified":0}`],
];
for (const [what, text] of ANSWERS) {
  Deno.test(`pull() refuses an answer with ${what}`, async () => {
    await withHub(async (hub, options) => {
      hub.faults.hub.push({ kind: "json", text });
      await rejects(one(options), { name: "CheckpointError", reason: "Hub" });
    });
  });
}

const ENTRIES: [what: string, entry: Record<string, unknown>][] = [
  ["a hash that is a path", { size: 1, oid: "../../../../tmp/x" }],
  ["no hash", { size: 1 }],
  ["a size that is negative", { size: -1, oid: "a".repeat(40) }],
  ["a size that is text", { size: "1", oid: "a".repeat(40) }],
  ["an upper-case hash", { size: 1, oid: "A".repeat(64) }],
];
for (const [what, entry] of ENTRIES) {
  Deno.test(`pull() refuses a listing with ${what}`, async () => {
    await withHub(async (hub, options) => {
      const text = JSON.stringify([{ type: "file", path: FILE, ...entry }]);
      hub.faults.hub.push({ kind: "json", text });
      await rejects(one(options, FILE, COMMIT), { name: "CheckpointError", reason: "Hub" });
      equal(hub.seen.length, 1);
    });
  });
}

const entry = (path: unknown, oid = "a".repeat(40)) => ({ type: "file", path, size: 1, oid });
const INDEX = entry("model_index.json");
const LISTINGS: [what: string, entries: unknown, message: RegExp][] = [
  ["a file twice", [INDEX, entry("far.json"), entry("far.json", "b".repeat(40))], /twice/],
  ["case twins", [INDEX, entry("vae/a.json"), entry("vae/A.json")], /one file on some systems/],
  [
    "twins of composition",
    [INDEX, entry("vae/\u00e9.json"), entry("vae/e\u0301.json")],
    /one file/,
  ],
  ["null", [INDEX, null], /not understood/],
  ["a number", [INDEX, 7], /not understood/],
  ["a path that is a number", [INDEX, entry(7)], /not understood/],
  ["a path that is missing", [INDEX, entry(undefined)], /not understood/],
  ["text for a listing", "text", /./],
  ["null for a listing", null, /./],
  ["a path that climbs", [INDEX, entry("vae/..\\\\x.json")], /not a plain file path/],
];
for (const [what, entries, message] of LISTINGS) {
  Deno.test(`pull() refuses a repository with ${what}`, async () => {
    await withHub(async (hub, options) => {
      hub.faults.hub.push({ kind: "json", text: JSON.stringify(entries) });
      const target = { repository: "someone/model", file: undefined, revision: COMMIT };
      await rejects(pull(target, options), { name: "CheckpointError", reason: "Hub", message });
      deepEqual(hub.requests("store"), []);
    });
  });
}

/** A body that never ends: pieces come until nobody reads, `pause` milliseconds apart. */
function endless(piece: string, pause: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(piece);
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new ReadableStream({
    pull: (controller) =>
      new Promise((resolve) => {
        timer = setTimeout(() => (controller.enqueue(bytes), resolve()), pause);
      }),
    cancel: () => clearTimeout(timer),
  });
}

const next = { link: '<http://127.0.0.1:1/api/next>; rel="next"' };
const ENDLESS: [what: string, answer: () => Response, message: RegExp][] = [
  ["a body that stalls", () => new Response(endless(" ", 60_000)), /no data for/],
  ["a body that drips", () => new Response(endless(" ", 20)), /broke off \(it took longer/],
  ["a body without an end", () => new Response(endless(" ".repeat(1 << 20), 0)), /too long/],
  ["a page that names itself as the next", () => Response.json([], { headers: next }), /endless/],
  [
    "pages of entries without an end",
    () => Response.json(Array(1000).fill(INDEX), { headers: next }),
    /endless/,
  ],
];
for (const [what, answer, message] of ENDLESS) {
  Deno.test(`pull() ends on ${what}`, async () => {
    await withHub(async (hub, options) => {
      const settings = { ...hub.settings, timeout: 0.1 };
      const tools = { ...hub.tools, fetch: () => Promise.resolve(answer()) };
      const target = { repository: "someone/model", file: undefined, revision: COMMIT };
      await rejects(pull(target, { ...options, settings, tools }), {
        name: "CheckpointError",
        reason: "Hub",
        temporary: what !== "a body without an end",
        message,
      });
    });
  });
}

Deno.test("pull() ends where the store's file is shorter than the listing says", async () => {
  await withHub(async (hub, options) => {
    const faults = Array.from({ length: 40 }, () => [
      { kind: "close", after: 1000 } as const,
      { kind: "status", status: 416 } as const,
    ]);
    hub.faults.store.push(...faults.flat());
    await rejects(one(options), { reason: "Hub", temporary: true, message: /broke 6 times/ });
    ok(hub.requests("store").length <= 12);
  });
});

Deno.test("pull() says which file a repository lacks", async () => {
  await withHub(async (_, options) => {
    await rejects(one(options, "none.pth"), { reason: "Hub", message: /no such/ });
  });
});

Deno.test("pull() offline uses the cache and asks nobody", async () => {
  await withHub(async (hub, options) => {
    await one(options);
    const asked = hub.seen.length;
    const offline = { ...options, settings: { ...hub.settings, offline: true } };
    deepEqual(await Deno.readFile((await one(offline)).path), WEIGHTS);
    await rejects(one(offline, "model_index.json"), { message: /not in the cache .*offline/ });
    await rejects(one(offline, FILE, "v1.0"), { message: /not in the cache/ });
    equal(hub.seen.length, asked);
  });
});

Deno.test("pull() offline takes a model folder that is whole, and no part of one", async () => {
  await withHub(async (hub, options) => {
    const offline = { ...options, settings: { ...hub.settings, offline: true } };
    const target = parseTarget(`someone/model@${COMMIT}`);
    hub.small.set("scheduler/scheduler_config.json", new TextEncoder().encode("{}"));
    for (const part of ["transformer", "vae"]) {
      hub.small.set(`${part}/config.json`, new TextEncoder().encode("{}"));
      const weights = part === "vae" ? WEIGHTS : WEIGHTS.slice(0, 1000);
      hub.large.set(`${part}/diffusion_pytorch_model.safetensors`, weights);
    }
    hub.large.delete("transformer/model.safetensors");
    hub.faults.store.push({ kind: "ok" }, { kind: "status", status: 404 }); // of vae's
    await rejects(pull(target, options), { reason: "Hub" });
    await rejects(pull(target, offline), {
      message: /only part of it is in the cache \(.*vae.*offline/,
    });
    const names = (pulled: Pulled) => pulled.files.map(({ name }) => name).sort();
    const whole = names(await pull(target, options));
    deepEqual(names(await pull(target, offline)), whole);
    equal(whole.length, 6);
  });
});

Deno.test("pull() says where it cannot write", async () => {
  await withHub(async (hub, options) => {
    const settings = { ...hub.settings, cache: import.meta.filename! };
    await rejects(one({ ...options, settings }), {
      reason: "Unwritable",
      message: /pull_test\.ts/,
    });
  });
});

Deno.test("pull() copies where links are off", async () => {
  await withHub(async (hub, options) => {
    const copies = { ...options, settings: { ...hub.settings, copies: true } };
    const { path } = await one(copies);
    equal((await Deno.lstat(path)).isSymlink, false);
    deepEqual(await Deno.readFile(path), WEIGHTS);
  });
});

Deno.test("pull() by two at once fetches once", async () => {
  await withHub(async (hub, options) => {
    const notes: string[] = [];
    const tools = { ...hub.tools };
    const both = [one({ ...options, tools }), one({ ...options, onNote: (n) => notes.push(n) })];
    for (const { path } of await Promise.all(both)) deepEqual(await Deno.readFile(path), WEIGHTS);
    equal(hub.requests("store").length, 1);
  });
});

Deno.test("pull() compares the digits in the name of a released checkpoint", async () => {
  await withHub(async (hub, options) => {
    const right = `far-${sha256(WEIGHTS).slice(0, 8)}.pth`;
    hub.large.set(right, WEIGHTS);
    hub.large.set("far-00000000.pth", WEIGHTS);
    await one(options, right);
    await rejects(one(options, "far-00000000.pth"), { message: /its name says 00000000/ });
    const offline = { ...options, settings: { ...hub.settings, offline: true } };
    const { path } = await one(offline, right);
    await Deno.writeFile(path, WEIGHTS.toReversed());
    await rejects(one(offline, right), { reason: "BadDownload", message: /its name says/ });
  });
});
