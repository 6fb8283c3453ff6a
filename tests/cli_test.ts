import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../cli.ts";
import { InterruptedError } from "../cli/errors.ts";
import { inFolder } from "./support/folder.ts";
import { recorder } from "./support/recorder.ts";

// The program as scripts see it: statuses, streams and signals of a process.

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function command(args: readonly string[], env: Record<string, string> = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "cli.ts", ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function far(args: readonly string[], env?: Record<string, string>): Promise<Ended> {
  const { code, stdout, stderr } = await command(args, env).output();
  const text = new TextDecoder();
  return { status: code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

Deno.test("far --help and --version write to stdout and load no model code", async () => {
  assert.match((await far(["--version"])).stdout, /^far \d+\.\d+\.\d+\n$/);
  const help = await far(["--help"]);
  assert.equal(help.status, 0);
  assert.equal(help.stderr, "");
  assert.match(help.stdout, /^Usage: far .*\n[^]*\n {2}generate /);
  const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", "cli.ts"] })
    .output();
  const { modules, roots } = JSON.parse(new TextDecoder().decode(info.stdout));
  const loaded = staticImports(modules, roots[0]);
  assert(loaded.some((path) => path.endsWith("/commands/table.ts")));
  assert.deepEqual(loaded.filter((path) => /\/(mod|generate)\.ts$|\/model\//.test(path)), []);
});

interface GraphModule {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly isDynamic?: boolean;
    readonly code?: { readonly specifier: string };
  }[];
}

/** What is loaded before any command runs. */
function staticImports(modules: readonly GraphModule[], root: string): string[] {
  const found = new Set([root]);
  for (const specifier of found) {
    const module = modules.find((module) => module.specifier === specifier);
    for (const { isDynamic, code } of module?.dependencies ?? []) {
      if (!isDynamic && code) found.add(code.specifier);
    }
  }
  return [...found];
}

Deno.test("far answers wrong usage with one line on stderr and status 2", async () => {
  for (const args of [["generat"], ["generate", "--framse", "3"], ["generate", "-n", "0"]]) {
    const { status, stdout, stderr } = await far(args);
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^error: [^\n]+\n$/);
  }
});

Deno.test("far without an adapter says so with status 1", async () => {
  const { status, stderr } = await far(["generate", "--backend", "dx12", "-o", "never.mp4"]);
  assert.equal(status, 1);
  assert.equal(stderr, "error: Cannot find a GPU adapter by dx12: leave out --backend\n");
});

Deno.test("far generate reads its sources before it asks for a GPU or loads a model", async () => {
  const asked = ["-c", "none.mp4", "-a", "left", "--backend", "dx12", "-o", "never.mp4"];
  const { status, stderr } = await far(["generate", ...asked]);
  assert.equal(status, 1);
  assert.match(stderr, /^error: Cannot read "none.mp4": there is no such file\n$/);
});

Deno.test("far shows where an error was thrown only when asked", async () => {
  const args = ["decode", "tests/fixtures/presets.json", "-o", "never.mp4"];
  const plain = await far(args);
  assert.equal(plain.status, 1);
  assert.match(plain.stderr, /^error: [^\n]+\n$/);
  for (const shown of [await far([...args, "-v"]), await far(args, { FAR_LOG: "debug" })]) {
    assert.equal(shown.status, 1);
    assert(shown.stderr.startsWith(plain.stderr));
    assert.match(shown.stderr, /\n {4}at .*decode\/run\.ts/);
  }
});

Deno.test({
  name: "far stopped by a signal leaves nothing behind and says which it was by its status",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
        const outputs = ["-o", join(folder, "a.mp4"), "-o", join(folder, "a.safetensors")];
        const child = command([
          "generate",
          "--progress",
          "json",
          "--on-interrupt",
          "discard",
          ...outputs,
        ]).spawn();
        const reader = child.stderr.getReader();
        // lines of progress come first for weights, then for frames: then outputs are open
        let told = await reader.read();
        while (!told.done && [...Deno.readDirSync(folder)].length < 2) told = await reader.read();
        assert.equal([...Deno.readDirSync(folder)].length, 2);
        child.kill(signal);
        while (!(await reader.read()).done);
        assert.equal((await child.status).code, status);
        await child.stdout.cancel();
        assert.deepEqual([...Deno.readDirSync(folder)], []);
      }
    }),
});

Deno.test("far ends quietly when nobody reads its output any more", async () => {
  const args = ["generate", "-n", "24", "-s", "1", "--context-frames", "1", "-q"];
  const child = command([...args, "-o", "-", "--format", "rgb24"]).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert(value && value.length > 0);
  await reader.cancel();
  const { code } = await child.status;
  assert.equal(code, 0);
  assert.equal(await new Response(child.stderr).text(), "");
});

Deno.test("main() prints results on stdout and nothing else", async () => {
  const terminal = recorder();
  assert.equal(await main(["help", "compare"], terminal), 0);
  assert.match(terminal.stdout, /^Usage: far compare/);
  assert.deepEqual(terminal.stderr, []);
});

Deno.test("main() reports the signal instead of errors that it caused", async () => {
  const controller = new AbortController();
  const print = () => {
    controller.abort(new InterruptedError("SIGTERM"));
    return Promise.reject(new Error("ffmpeg says: Exiting normally, received signal 15"));
  };
  const terminal = recorder();
  assert.equal(await main(["manual"], { ...terminal, print }, controller.signal), 143);
  assert.deepEqual(terminal.stderr, ["Stopped by SIGTERM: nothing was written"]);
});

/** Runs with a silent stdin; `asked` is called when the program waits for it. */
async function withSilentStdin(asked: () => void, test: () => Promise<void>): Promise<void> {
  const pull = () => {
    asked();
    return new Promise<void>(() => {});
  };
  const { isTerminal } = Deno.stdin;
  Deno.stdin.isTerminal = () => false;
  Object.defineProperty(Deno.stdin, "readable", {
    configurable: true,
    get: () => new ReadableStream({ pull }, { highWaterMark: 0 }),
  });
  try {
    await test();
  } finally {
    Deno.stdin.isTerminal = isTerminal;
    Reflect.deleteProperty(Deno.stdin, "readable");
  }
}

Deno.test("main() ends at a signal while it waits for stdin", () =>
  inFolder(async (folder) => {
    const clip = "weights/demo/clips/0.npz";
    const output = join(folder, "a.safetensors");
    for (const args of [["compare", clip, "-"], ["encode", "-", "-o", output]]) {
      const controller = new AbortController();
      const interrupt = () => controller.abort(new InterruptedError("SIGINT"));
      await withSilentStdin(interrupt, async () => {
        assert.equal(await main(args, recorder(), controller.signal), 130);
      });
    }
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("main() ends quietly when stdout is closed", async () => {
  const print = () => Promise.reject(new Deno.errors.BrokenPipe("closed"));
  const terminal = { ...recorder(), print };
  assert.equal(await main(["--help"], terminal), 0);
});
