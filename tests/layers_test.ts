import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";

// Imports point one way. Code that needs another arrow is in the wrong place.
const MAY_IMPORT: Record<string, readonly string[]> = {
  "cli.ts": ["commands", "batch", "cli"],
  cli: ["mod.ts", "app.ts", "files", "deno.json"],
  request: ["cli", "mod.ts", "app.ts", "weights/demo"],
  batch: ["request", "cli", "mod.ts", "app.ts"],
  commands: [
    "deno.json",
    "player",
    "batch",
    "request",
    "cli",
    "mod.ts",
    "app.ts",
    "app_large.ts",
    "weights/demo",
  ],
  player: ["run", "model", "media", "kernels", "weights", "files", "gpu"],
  "mod.ts": [
    "host",
    "train",
    "released",
    "hub",
    "report",
    "metrics",
    "media",
    "bench",
    "run",
    "model",
    "weights",
    "files",
    "gpu",
  ],
  "app.ts": [
    "host",
    "train",
    "released",
    "hub",
    "report",
    "metrics",
    "media",
    "bench",
    "run",
    "model",
    "weights",
    "files",
    "gpu",
  ],
  "app_large.ts": ["train", "media", "bench"],
  train: [
    "released",
    "metrics",
    "report",
    "run",
    "media",
    "model",
    "kernels",
    "weights",
    "files",
    "gpu",
  ],
  bench: ["train", "run", "model", "kernels", "released", "weights", "gpu"],
  released: ["hub", "run", "model", "weights", "files", "gpu"],
  run: ["model", "kernels", "weights", "files", "gpu"],
  model: ["kernels", "weights", "files", "gpu"],
  kernels: ["gpu"],
  weights: ["files"],
  hub: ["files"],
  media: ["files"],
  metrics: ["weights", "files"],
  report: [],
  files: [],
  host: ["gpu", "files"],
  gpu: [],
};

/** Raw calls that have lost data or ended the process; their one safe wrapper may use them. */
const BANNED: readonly { pattern: RegExp; why: string; except?: string }[] = [
  {
    pattern: /\.(writeBuffer|writeTexture)\b|\bdevice\s*\.\s*queue\b|\bqueue\s*\.\s*submit\b/,
    why: "Gpu checks bounds and reports errors",
    except: "gpu/gpu.ts",
  },
  { pattern: /\.pipeTo\s*\(/, why: "a full disk's error is lost: write in a loop" },
  { pattern: /(?<!\?)\.writable\b/, why: "a full disk's error is lost: write in a loop" },
  {
    pattern: /\bconsole\.(log|info|debug)\s*\(/,
    why: "a closed pipe is swallowed: Terminal.print",
  },
];

const LONGEST_FILE = 400;
const LONGEST_FUNCTION = 60;
const ROOT = `${import.meta.dirname}/../`;

/** Every source file under a folder, by its path from the root. */
function filesUnder(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? filesUnder(path) : /\.(ts|wgsl)$/.test(name) ? [path] : [];
  });
}

/** Every source file of the program, by its path from the root. */
function sources(): string[] {
  const rooms = Object.keys(MAY_IMPORT).filter((layer) => !layer.endsWith(".ts"));
  return ["cli.ts", "mod.ts", "app.ts", "app_large.ts", ...rooms.flatMap(filesUnder)];
}

function read(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

/** `gpu/gpu.ts` -> `gpu`; `mod.ts` stays. */
function layerOf(path: string): string {
  return path.split("/")[0]!;
}

/** Files of this project that a file names in imports, dynamic ones and URLs included. */
function imports(path: string): string[] {
  const text = read(path);
  const patterns = [
    /\b(?:from|import)\s*\(?\s*"(\.[^"]*)"/g,
    /new URL\(\s*"(\.[^"]*)",\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)])
    .map(([, target]) => relative(ROOT, join(ROOT, dirname(path), target!)));
}

Deno.test("imports point one way: cli, commands, mod, model, kernels, gpu", () => {
  const wrong: string[] = [];
  for (const path of sources().filter((p) => p.endsWith(".ts"))) {
    const own = layerOf(path);
    for (const target of imports(path)) {
      const layer = layerOf(target);
      const allowed = MAY_IMPORT[own]!.some((name) =>
        target === name || layer === name ||
        target.startsWith(`${name}/`)
      );
      if (layer !== own && !allowed) wrong.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** Files that a file imports statically; dynamic imports cannot make a cycle. */
function heads(path: string): string[] {
  const code = read(path).replace(/\/\*[^]*?\*\//g, "");
  return [...code.matchAll(/\bfrom\s+"(\.[^"]*\.ts)"/g)]
    .map(([, target]) => relative(ROOT, join(ROOT, dirname(path), target!)));
}

/** The first import cycle reachable from a file; `seen` are files without one. */
function circleFrom(path: string, way: readonly string[], seen: Set<string>): string[] | undefined {
  if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
  if (seen.has(path)) return undefined;
  for (const target of heads(path)) {
    const circle = circleFrom(target, [...way, path], seen);
    if (circle) return circle;
  }
  seen.add(path);
}

Deno.test("imports, those of types included, make no circles", () => {
  const seen = new Set<string>();
  for (const path of sources().filter((name) => name.endsWith(".ts"))) {
    assert.equal(circleFrom(path, [], seen)?.join(" -> "), undefined);
  }
});

Deno.test("sources make no raw call that loses data or ends the process", () => {
  const wrong: string[] = [];
  for (const path of sources()) {
    const code = read(path).replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
    for (const { pattern, why, except } of BANNED) {
      if (path !== except && pattern.test(code)) wrong.push(`${path}: ${pattern.source} (${why})`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** The floors that a browser runs too; files come in through small interfaces. */
const ANYWHERE = /^(player|gpu|kernels|model|run)\//;

Deno.test("what computes a model uses nothing of Deno, so that browsers can run it", () => {
  const wrong = sources().filter((path) => {
    const code = read(path).replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
    return ANYWHERE.test(path) && /\bDeno\s*\.|"node:/.test(code);
  });
  assert.deepEqual(wrong, []);
});

/** Floors below the command line: they name options as their own API does. */
const LIBRARY =
  /^(files|gpu|kernels|weights|hub|model|run|released|media|train|bench|mod\.ts)(\/|$)/;

/** Literal texts of a program, comments left out; what stands in `${...}` counts as text too. */
function texts(path: string): string[] {
  const token = /\/\*[^]*?\*\/|\/\/.*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g;
  return [...read(path).matchAll(token)].map(([text]) => text).filter((text) => text[0] !== "/");
}

Deno.test("the library names no flag of the command line: `dtype`, not --dtype", () => {
  const wrong = sources().filter((path) => LIBRARY.test(path) && path.endsWith(".ts"))
    .flatMap((path) => texts(path).map((text) => `${path}: ${text}`))
    .filter((line) => /(?<![\w-])--[a-z]/.test(line));
  assert.deepEqual(wrong, []);
});

Deno.test("sources stay short enough to read", () => {
  const long = sources().map((path) => [path, read(path).trimEnd().split("\n").length] as const)
    .filter(([, lines]) => lines > LONGEST_FILE);
  assert.deepEqual(long, []);
});

/**
 * Functions and methods by where they begin, with their lines; they end at their own indentation.
 */
function functionLengths(path: string): [where: string, lines: number][] {
  const begin =
    /^(?:(?:export )?(?:async )?function| {2}(?:static |override |async |get )*\*?#?\w+\()/;
  const lines = read(path).split("\n");
  return lines.flatMap((line, i) => {
    if (!begin.test(line) || /^ {2}(?:if|for|while|switch)\b|[;}]$/.test(line)) return [];
    const indent = /^ */.exec(line)![0];
    const signature = lines.find((end, j) => j >= i && end.startsWith(`${indent})`));
    if (!line.endsWith("{") && signature?.endsWith(";")) return []; // a type's method
    const last = lines.findIndex((end, j) => j > i && end === `${indent}}`);
    return [[`${path}:${i + 1}`, last - i + 1] as [string, number]];
  });
}

Deno.test("functions stay short enough to read", () => {
  const all = sources().filter((path) => path.endsWith(".ts")).flatMap(functionLengths);
  assert.ok(all.length > 1000);
  assert.deepEqual(all.filter(([, lines]) => lines > LONGEST_FUNCTION), []);
});

Deno.test("sources name packages only as the import map does", () => {
  const wrong = sources().filter((path) =>
    /\b(?:from|import)\s*\(?\s*"(?:npm:|jsr:|https?:)/.test(read(path))
  );
  assert.deepEqual(wrong, []);
});

/** Files whose exports are for other programs. */
const FACES = ["mod.ts", "app.ts", "app_large.ts", "cli.ts"];
/** Stands in the module graph alone, as it says. */
const NEVER_CALLED = "media/webcodecs.ts: declareAddon";

/** Code without its comments. */
function codeOf(path: string): string {
  return read(path).replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

/** What the tool needs besides `mod.ts`. */
const TOOL_FACES = ["app.ts", "app_large.ts"];

/** Names that such a file re-exports and nothing imports from it. */
function unusedOf(
  face: string,
  paths: readonly string[],
  words: ReadonlyMap<string, readonly string[]>,
): string[] {
  const users = paths.filter((path) => read(path).includes(`/${face}"`) && path !== face);
  const lists = [...codeOf(face).matchAll(/export (?:type )?\{([^}]*)\}/g)];
  return lists.flatMap(([, list]) => list!.split(","))
    .map((name) => name.replace("type ", "").trim()).filter(Boolean)
    .filter((name) => !users.some((path) => words.get(path)!.includes(name)))
    .map((name) => `${face}: ${name}`);
}

Deno.test("exports are used by more than tests", () => {
  const own = sources().filter((path) => path.endsWith(".ts"));
  const scripts = [...Deno.readDirSync(join(ROOT, "player"))].map(({ name }) => `player/${name}`);
  const others = [...["tools", "examples"].flatMap(filesUnder), ...scripts];
  const paths = [...new Set([...own, ...others])].filter((path) => /\.[tj]s$/.test(path));
  const words = new Map<string, readonly string[]>(
    paths.map((path) => [path, codeOf(path).match(/\w+/g) ?? []]),
  );
  const users = new Map<string, Set<string>>();
  for (const [path, all] of words) {
    if (TOOL_FACES.includes(path)) continue; // they only re-export
    for (const word of all) users.set(word, (users.get(word) ?? new Set()).add(path));
  }
  const unused: string[] = [];
  for (const path of own.filter((path) => !FACES.includes(path))) {
    const names = codeOf(path).matchAll(
      /^export (?:async )?(?:function\*?|class|const|interface|type) (\w+)/gm,
    );
    for (const [, name] of names) {
      const inside = words.get(path)!.filter((word) => word === name).length > 1;
      const outside = [...users.get(name!)!].some((user) => user !== path);
      if (!inside && !outside) unused.push(`${path}: ${name}`);
    }
  }
  for (const face of TOOL_FACES) unused.push(...unusedOf(face, paths, words));
  assert.deepEqual(unused, [NEVER_CALLED]);
});
