import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "../commands/table.ts";
import { parseCommandLine } from "../cli/program.ts";
import { makeDocs } from "../tools/make_docs.ts";
import { FarLines } from "./support/far_lines.ts";
import { makeQuickDemo } from "./support/quick_demo.ts";
import { HAS_FFMPEG } from "./media/support/ffmpeg.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The pages of a folder, by their paths from the root. */
function markdownIn(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].map(({ name }) => `${folder}/${name}`)
    .filter((name) => name.endsWith(".md")).sort();
}

const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"],
  ...["docs", "bench/results"].flatMap(markdownIn),
];

/** Pages with programs in TypeScript: the library's own docstring is one. */
const PROGRAM_PAGES = [...PAGES, "mod.ts"];

/** Blocks of one language in a page. `sh` is run; `console` needs a network, a screen or long. */
function blocks(page: string, language: string): string[] {
  const text = Deno.readTextFileSync(join(ROOT, page)).replace(/^ \* ?/gm, "");
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, name]) => name === language).map(([, , code]) => code!);
}

/** Model of the commands that name none. */
const QUICK = await Deno.makeTempDir({ prefix: "far-quick-" });
await makeQuickDemo(QUICK);
globalThis.addEventListener("unload", () => Deno.removeSync(QUICK, { recursive: true }));

/** A folder in which `far` is the program, and a quick model is where the demo is in a clone. */
async function inFolder(act: (folder: string, path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "far-docs-" });
  const bin = join(folder, ".bin");
  await Deno.mkdir(bin);
  const far = `#!/bin/sh\nexec '${Deno.execPath()}' run -A --quiet '${ROOT}cli.ts' "$@"\n`;
  await Deno.writeTextFile(join(bin, "far"), far, { mode: 0o755 });
  await Deno.mkdir(join(folder, "weights"));
  await Deno.symlink(QUICK, join(folder, "weights/demo"));
  try {
    await act(folder, `${bin}:${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Variables of the examples. */
const ENV = (folder: string) => ({
  NO_COLOR: "1",
  HF_HOME: join(folder, "hub"),
  FAR_MODEL: QUICK,
});

async function run(
  program: string,
  args: string[],
  cwd: string,
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    env: { PATH: path, ...ENV(cwd), ...env },
    stdout: "null",
  }).output();
  assert.ok(success, `${args.at(-1)}\n${new TextDecoder().decode(stderr)}`);
}

/** Runs shell scripts; lines that only call far run in one process. */
async function runScripts(
  scripts: readonly string[],
  folder: string,
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using far = new FarLines(folder, { ...ENV(folder), ...env });
  // files' contents are on several lines
  for (const line of scripts.flatMap((text) => /<</.test(text) ? [text] : text.split(/\n(?=.)/))) {
    // except lines that need a shell, and batches, which start a process of their own program
    if (/^far (?!batch)[^|<>\n]*\n?$/.test(line)) {
      const { status, stderr } = await far.run(words(line.replace(/ +#.*/, "")).slice(1));
      assert.equal(status, 0, `${line}\n${stderr.join("\n")}`);
    } else await run("sh", ["-eu", "-c", line], folder, path, env);
  }
}

for (const page of PAGES) {
  const scripts = blocks(page, "sh");
  if (scripts.length === 0) continue;
  Deno.test({
    name: `the shell examples of ${page} work`,
    ignore: !HAS_FFMPEG,
    fn: () =>
      inFolder(async (folder, path) => {
        await runScripts(scripts, folder, path);
      }),
  });
}

Deno.test("the programs of the pages are typed, and work", () =>
  inFolder(async (folder, path) => {
    const programs = PROGRAM_PAGES.flatMap((page) => blocks(page, "ts"));
    const files = programs.map((_, i) => join(folder, `program_${i}.ts`));
    for (const [i, program] of programs.entries()) {
      await Deno.writeTextFile(files[i]!, program.replace(`"./mod.ts"`, `"${ROOT}mod.ts"`));
    }
    assert.ok(files.length >= 10);
    const config = ["--config", join(ROOT, "deno.json")];
    await run(Deno.execPath(), ["check", ...config, ...files], folder, path); // all at once: slow
    const all = join(folder, "all.ts");
    const lines = files.map((file) => `await import(${JSON.stringify(file)});\n`);
    await Deno.writeTextFile(all, lines.join(""));
    await run(Deno.execPath(), ["run", "-A", "--no-check", ...config, all], folder, path);
  }));

/** Words of a line as a shell reads it, up to a pipe; enough for the examples here. */
function words(line: string): string[] {
  const command = line.replace(/ [|>].*/, "");
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!);
}

const LINES = PAGES.flatMap((page) =>
  blocks(page, "console").flatMap((block) => block.trim().split("\n")).map((line) => ({
    page,
    line,
  }))
);
const EXAMPLES = COMMANDS.flatMap(({ name, examples }) =>
  examples.map(({ line }) => ({
    page: `far help ${name}`,
    line: line.replace(/^source <\(|\)$/g, ""),
  }))
);

const TASKS = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).tasks;

Deno.test("examples that no test can run are at least command lines that far takes", async () => {
  for (const { page, line } of [...LINES, ...EXAMPLES]) {
    const [program, ...args] = words(line);
    if (program === "far") {
      await parseCommandLine(args, COMMANDS, "").catch((error) => {
        // settings that an example names need not be there
        if (!/Cannot read settings/.test(error.message)) assert.fail(`${page}: ${line}: ${error}`);
      });
    } else if (program === "npx") {
      assert.match(line, /^npx --yes deno@2\.9\.6 task (demo|test)$/); // .ci/run runs them
    } else if (program === "npm") {
      assert.equal(line, "npm install --global deno@2.9.6");
    } else if (args.join(" ") === "task install") {
      assert.match(line, INSTALL); // tested below
    } else if (args[0] === "task") {
      assert.ok(args[1]! in TASKS, `${page}: ${line}`);
    } else {
      const file = args.find((arg) => /^(examples|tools)\//.test(arg));
      assert.ok(file && Deno.statSync(join(ROOT, file)).isFile, `${page}: ${line}`);
    }
  }
});

/** Needs a network, a screen, another shell, checkpoints, or has tests of its own. */
const ELSEWHERE = new RegExp(
  "redis|ffplay|^source|^far (play|train|import|export|serve|evaluate|pull|convert|bench|doctor|" +
    "completions|manual|models rm)",
);

/** What the examples read, and a model whose defaults are quick. */
async function prepareExamples(folder: string, path: string): Promise<void> {
  for (const name of ["clip", "truth", "made"]) {
    await Deno.copyFile(join(QUICK, "clips/0.npz"), join(folder, `${name}.npz`));
  }
  const video = "-v error -f lavfi -i testsrc=size=64x64:rate=8:duration=0.5 clip.mp4";
  await run("ffmpeg", video.split(" "), folder, path);
  await Deno.writeTextFile(join(folder, "jobs.jsonl"), `{"actions": "left"}`);
  await makeQuickDemo(join(folder, "quick"), { frames: 1, steps: 1 });
}

Deno.test({
  name: "the examples in far help work",
  ignore: !HAS_FFMPEG,
  fn: () =>
    inFolder(async (folder, path) => {
      await prepareExamples(folder, path);
      const lines = COMMANDS.flatMap(({ examples }) => examples.map(({ line }) => line))
        .filter((line) => !ELSEWHERE.test(line));
      assert.ok(lines.length >= 12);
      const env = { FAR_MODEL: join(folder, "quick") };
      await runScripts(lines, folder, path, env);
    }),
});

const INSTALL = /^deno task install$/m;

Deno.test("README's installation is a task; tests/tools/install_test.ts runs it", () => {
  assert.match(Deno.readTextFileSync(join(ROOT, "README.md")), INSTALL);
  assert.match(TASKS.install, /tools\/install/);
});

Deno.test("links between pages lead somewhere", () => {
  for (const page of PAGES) {
    const text = Deno.readTextFileSync(join(ROOT, page));
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      const path = join(ROOT, dirname(page), target!);
      assert.ok(Deno.statSync(path), `${page}: ${target}`);
    }
  }
});

Deno.test("files of the code that pages name are there", () => {
  for (const page of PAGES.filter((name) => name !== "CONTRIBUTING.md")) {
    const text = Deno.readTextFileSync(join(ROOT, page));
    for (const [, path] of text.matchAll(/`(\w+(?:\/\w+)+\.(?:ts|wgsl))`/g)) {
      if (!path!.includes("NAME")) assert.ok(Deno.statSync(join(ROOT, path!)), `${page}: ${path}`);
    }
  }
});

Deno.test("pages that are made from the code are up to date (deno task docs)", async () => {
  assert.deepEqual(await makeDocs(true), []);
});

Deno.test("THIRD_PARTY_LICENSES has every package that is locked, and Deno (deno task docs)", () => {
  const text = Deno.readTextFileSync(join(ROOT, "THIRD_PARTY_LICENSES"));
  const lock: { npm: object } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.lock")));
  const locked = Object.keys(lock.npm).map((key) => /^@?[^@]+@[^_]+/.exec(key)![0]);
  for (const name of [...locked, "@napi-rs/webcodecs,", "Deno,", "V8,"]) {
    assert.ok(text.includes(`\n${name.replace(/(?<=.)@/, " ")}`), name);
  }
});

Deno.test("every export of mod.ts has a docstring (deno doc --lint)", async () => {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", join(ROOT, "mod.ts")],
    stdout: "null",
    env: { NO_COLOR: "1" },
  }).output();
  // types that those of mod.ts only mention may stay private
  const faults = new TextDecoder().decode(stderr).split(/\n(?=error\[)/)
    .filter((fault) => fault.startsWith("error[") && !fault.startsWith("error[private-type-ref]"));
  assert.deepEqual(faults, []);
});

Deno.test("the library has at most 50 names, each in docs/library.md with an example", async () => {
  const source = Deno.readTextFileSync(join(ROOT, "mod.ts")).replace(/\/\*\*[^]*?\*\//g, "");
  const names = [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap(([, list]) => list!.split(",").map((name) => name.replace("type ", "").trim()))
    .filter(Boolean);
  assert(names.length > 20 && names.length <= 50, `${names.length} names`);
  for (const name of Object.keys(await import("../mod.ts"))) assert(names.includes(name), name);
  const page = Deno.readTextFileSync(join(ROOT, "docs/library.md"));
  const missing = names.filter((name) => !new RegExp(`[\`]${name}\\b`).test(page));
  assert.deepEqual(missing, []);
  const programs = blocks("docs/library.md", "ts").join("\n");
  const unused = Object.keys(await import("../mod.ts"))
    .filter((name) => !new RegExp(`^import [^;]*\\b${name}\\b`, "m").test(programs));
  assert.deepEqual(unused, [], "names without an example");
});
