import assert from "node:assert/strict";
import { join } from "node:path";
import { childrenOf, until } from "../batch/batch_process.ts";
import { commandScript, shellScript } from "../../tools/install.ts";
import { inFolder } from "../support/folder.ts";

const ROOT = join(import.meta.dirname!, "../..");
const ignore = Deno.build.os !== "linux";

async function task(action: string, dir: string): Promise<{ code: number; said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(ROOT, "tools/install.ts"), action, "--dir", dir],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: text(stdout) + text(stderr) };
}

/** Runs a batch that waits for jobs; resolves when it is ready to hear signals. */
async function waiting(program: string, args: readonly string[], out: string) {
  const child = new Deno.Command(program, {
    args: [...args, "batch", "-", "--out-dir", out],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await until("the batch has begun", () => {
    try {
      return [...Deno.readDirSync(out)].some(({ name }) => name.endsWith(".lock"));
    } catch {
      return false;
    }
  });
  return child;
}

async function endOf(child: Deno.ChildProcess): Promise<{ code: number; said: string }> {
  const [{ code }, said] = await Promise.all([child.status, new Response(child.stderr).text()]);
  await child.stdin.close().catch(() => {});
  return { code, said };
}

/** Whether a process may have a process namespace of its own here. */
async function canUnshare(): Promise<boolean> {
  try {
    return (await new Deno.Command("unshare", { args: ["--pid", "--fork", "true"] }).output())
      .success;
  } catch {
    return false;
  }
}

Deno.test(
  { name: "deno task install writes a far that signals reach", ignore },
  () =>
    inFolder(async (folder) => {
      const dir = join(folder, "a 'bin'");
      const installed = await task("install", dir);
      assert.equal(installed.code, 0, installed.said);
      assert.match(installed.said, /Add .* to your PATH/);
      const far = join(dir, "far");
      for (const [signal, status] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
        const child = await waiting(far, [], join(folder, signal));
        assert.match(await Deno.readTextFile(`/proc/${child.pid}/comm`), /^deno/); // no wrapper
        child.kill(signal);
        const { code, said } = await endOf(child);
        assert.equal(code, status, said);
        assert.match(said, new RegExp(`^Stopped by ${signal}: `, "m"));
      }
      assert.equal((await task("install", dir)).code, 0); // again
      assert.equal((await task("uninstall", dir)).code, 0);
      assert.deepEqual([...Deno.readDirSync(dir)], []);
      assert.match((await task("uninstall", dir)).said, /^There is no /);
    }),
);

Deno.test({
  name: "far ends on SIGTERM as the first process of a container",
  ignore: ignore || !await canUnshare(),
}, () =>
  inFolder(async (folder) => {
    assert.equal((await task("install", folder)).code, 0);
    const args = ["--pid", "--fork", "--kill-child", join(folder, "far")];
    const child = await waiting("unshare", args, join(folder, "out"));
    const [first] = childrenOf(child.pid);
    assert.match(await Deno.readTextFile(`/proc/${first}/status`), /^NSpid:\s+\d+\s+(\d+\s+)*1$/m);
    Deno.kill(first!, "SIGTERM");
    assert.equal((await endOf(child)).code, 143);
  }));

Deno.test(
  { name: "deno task install and uninstall leave other programs alone", ignore },
  () =>
    inFolder(async (folder) => {
      await Deno.writeTextFile(join(folder, "far"), "#!/bin/sh\n");
      for (const action of ["install", "uninstall"]) {
        const { code, said } = await task(action, folder);
        assert.equal(code, 1);
        assert.match(said, /^error: ".*far" (is another program|was not written by)/);
      }
      assert.equal(await Deno.readTextFile(join(folder, "far")), "#!/bin/sh\n");
    }),
);

Deno.test(
  { name: "deno task install says which path cannot be used, and why", ignore },
  () =>
    inFolder(async (folder) => {
      await Deno.writeTextFile(join(folder, "file"), "");
      await Deno.mkdir(join(folder, "dir", "far"), { recursive: true });
      const cases = [
        ["install", "/proc/x", "No such file or directory"],
        ["install", join(folder, "file"), "Not a directory"],
        ["uninstall", join(folder, "file"), "Not a directory"],
        ["install", join(folder, "dir"), "Is a directory"],
      ] as const;
      for (const [action, dir, reason] of cases) {
        const { code, said } = await task(action, dir);
        assert.equal(code, 1);
        assert.equal(said, `error: Cannot ${action} "${join(dir, "far")}": ${reason}\n`);
      }
    }),
);

for (
  const [what, place] of [
    ["the clone", { deno: Deno.execPath(), folder: "/moved/'a' clone" }],
    ["the Deno", { deno: "/moved/deno", folder: ROOT }],
  ] as const
) {
  Deno.test(
    { name: `far says in a line that ${what} was moved`, ignore },
    () =>
      inFolder(async (folder) => {
        const path = join(folder, "far");
        await Deno.writeTextFile(path, shellScript(place), { mode: 0o755 });
        const { code, stderr } = await new Deno.Command(path, { args: ["--version"] }).output();
        assert.equal(code, 1);
        const line = new TextDecoder().decode(stderr);
        assert.ok(line.startsWith(`error: far was installed with ${what} `), line);
        assert.match(line, /which is gone: run `deno task install` again in the clone\n$/);
      }),
  );
}

Deno.test("the script for Windows quotes its paths", () => {
  const script = commandScript({ deno: "C:\\a b\\deno.exe", folder: "C:\\100% far" });
  assert.ok(script.includes('"C:\\a b\\deno.exe" "run" "--quiet" "--frozen"'), script);
  assert.ok(script.includes("100%% far"), script);
});
