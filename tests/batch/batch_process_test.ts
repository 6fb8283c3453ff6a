import assert from "node:assert/strict";
import { join } from "node:path";
import {
  checkOutputs,
  childrenOf,
  filesUnder,
  kill,
  lineCount,
  startFar,
  TINY,
  until,
} from "./batch_process.ts";
import { readResults } from "../../batch/results.ts";

interface Stage {
  readonly out: string;
  readonly results: string;
  /** Starts `far batch` on these jobs. */
  start(lines: readonly unknown[], ...args: string[]): ReturnType<typeof startFar>;
}

async function stage(body: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const out = join(folder, "out");
  const manifest = join(folder, "jobs.jsonl");
  try {
    await body({
      out,
      results: join(out, "results.jsonl"),
      start(lines, ...args) {
        Deno.writeTextFileSync(manifest, lines.map((line) => JSON.stringify(line)).join("\n"));
        return startFar("batch", manifest, "--out-dir", out, ...args);
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const MIXED = (count: number) => [
  TINY,
  { id: "v", seed: { range: [0, count] }, scale: 1 },
  { id: "t", seed: { range: [0, count] }, output: "deep/{id}.safetensors" },
];

const isLinux = Deno.build.os === "linux";
/** Filling a disk needs root, which can mount a small one. */
const canMount = isLinux && Deno.uid() === 0 && await triesMount();

async function system(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}

async function triesMount(): Promise<boolean> {
  const folder = Deno.makeTempDirSync();
  try {
    await system("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder);
    await system("umount", folder);
    return true;
  } catch {
    return false;
  } finally {
    Deno.removeSync(folder);
  }
}

Deno.test(
  { name: "far batch makes the outputs of its manifest", ignore: !isLinux },
  () =>
    stage(async ({ out, results, start }) => {
      const lines = [...MIXED(2), { id: "n", output: ["n.npz", "n.gif"], seed: 5 }];
      const { code, stdout, stderr } = await start(lines).ended;
      assert.equal(code, 0, stderr);
      assert.match(stdout, /5 of 5 jobs done/);
      assert.equal(stderr.match(/warning: .* and 4 more jobs: .* was trained at/g)?.length, 1);
      assert.equal(stderr.match(/warning:/g)?.length, 1);
      assert.deepEqual(await checkOutputs(out), [
        "deep/t-0.safetensors",
        "deep/t-1.safetensors",
        "n.gif",
        "n.npz",
        "v-0.mp4",
        "v-1.mp4",
      ]);
      const again = await start(lines).ended;
      assert.match(again.stdout, /0 of 5 jobs done .*, 5 were done before/);
      // an MP4 records the settings that made it
      await Deno.remove(results);
      assert.match((await start(MIXED(2)).ended).stdout, /0 of 4 jobs done .*, 4 were done before/);
    }),
);

Deno.test(
  { name: "far batch reads jobs from a stream, and reports bad lines", ignore: !isLinux },
  () =>
    stage(async ({ out, results }) => {
      const root = `${import.meta.dirname}/../../cli.ts`;
      Deno.mkdirSync(out);
      Deno.writeTextFileSync(join(out, `.a.mp4.${crypto.randomUUID()}.partial`), "left behind");
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", root, "batch", "-", "--out-dir", out],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const input = child.stdin.getWriter();
      const say = (line: unknown) =>
        input.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
      await say(TINY);
      await say({ id: "a" });
      await until("the first job is done", () => lineCount(results) === 1);
      await say({ id: "b", setps: 1 });
      await say({ id: "c", seed: 3 });
      await input.close();
      const { code, stdout, stderr } = await child.output();
      assert.equal(code, 1);
      assert.match(new TextDecoder().decode(stdout), /2 of 3 jobs done .*, 1 failed/);
      assert.match(new TextDecoder().decode(stderr), /"setps" in stdin:3: .*did you mean "steps"/);
      const statuses = (await readResults(results)).map(({ line, status }) => `${line} ${status}`);
      assert.deepEqual(statuses.sort(), ["2 done", "3 failed", "4 done"]);
      assert.ok(!filesUnder(out).some((name) => name.endsWith(".partial")));
    }),
);

Deno.test(
  { name: "far batch survives the death of its GPU process", ignore: !isLinux },
  () =>
    stage(async ({ out, results, start }) => {
      const { child, ended } = start(MIXED(20)); // enough to be in the midst of them
      let killed = 0;
      for (const after of [1, 5]) {
        await until(`${after} jobs are done`, () => lineCount(results) >= after);
        for (const pid of childrenOf(child.pid)) {
          kill(pid);
          killed++;
        }
      }
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
      assert.ok(killed >= 2);
      assert.match(stderr, /the GPU process was killed by SIGKILL.*; starting another/);
      assert.equal((await checkOutputs(out)).length, 40);
      assert.equal(new Set((await readResults(results)).map(({ id }) => id)).size, 40);
      assert.ok(!filesUnder(out).some((name) => name.endsWith(".partial")));
    }),
);

Deno.test(
  { name: "far batch ends cleanly on Ctrl-C, and continues later", ignore: !isLinux },
  () =>
    stage(async ({ out, results, start }) => {
      const { child, ended } = start(MIXED(400));
      await until("a job is done", () => lineCount(results) >= 1);
      const [gpu] = childrenOf(child.pid);
      child.kill("SIGINT");
      const { code, stderr } = await ended;
      assert.equal(code, 130, stderr);
      assert.ok(!filesUnder(out).some((name) => /\.(partial|lock)$/.test(name)));
      await until("the GPU process is gone", () => !isAlive(gpu!));
      const made = await checkOutputs(out);
      assert.ok(made.length < 800);
      const again = await start(MIXED(3)).ended;
      assert.equal(again.code, 0, again.stderr);
    }),
);

Deno.test({
  name: "far batch leaves no incomplete output when killed at any moment",
  ignore: !isLinux,
}, () =>
  stage(async ({ out, start }) => {
    const jobs = MIXED(8);
    // from before anything is loaded to the middle of the jobs
    for (const [i, milliseconds] of [200, 800, 1200, 1500, 1800].entries()) {
      const { child, ended } = start(jobs);
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      const gpu = childrenOf(child.pid);
      kill(child.pid);
      if (i % 2 === 0) gpu.forEach(kill); // else it has to notice by itself
      await ended;
      await until("the GPU process is gone", () => !gpu.some(isAlive));
      try {
        await checkOutputs(out);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // killed before the folder
      }
    }
    const { code, stderr } = await start(jobs).ended;
    assert.equal(code, 0, stderr);
    assert.equal((await checkOutputs(out)).length, 16);
    assert.ok(!filesUnder(out).some((name) => name.endsWith(".partial")));
  }));

Deno.test({
  name: "far batch stops with one line when its folder is removed",
  ignore: !isLinux,
}, () =>
  stage(async ({ out, results, start }) => {
    const { ended } = start(MIXED(400));
    await until("a job is done", () => lineCount(results) >= 1);
    Deno.removeSync(out, { recursive: true });
    const { code, stderr } = await ended;
    assert.equal(code, 1);
    assert.match(stderr, /Cannot write to ".*out" any more/);
  }));

Deno.test({
  name: "far batch stops when the disk is full, and continues when there is space",
  ignore: !canMount,
}, () =>
  stage(async ({ out, start }) => {
    Deno.mkdirSync(out);
    await system("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", out);
    try {
      const { code, stderr } = await start(MIXED(8)).ended;
      assert.equal(code, 1);
      assert.match(stderr, /Cannot write to ".*out" any more: .*No space left/);
      const made = await checkOutputs(out);
      assert.ok(made.length > 0 && made.length < 16, made.join(" "));
      assert.ok(!filesUnder(out).some((name) => name.endsWith(".partial")));
      await system("mount", "-o", "remount,size=8m", out);
      const again = await start(MIXED(8)).ended;
      assert.equal(again.code, 0, again.stderr);
      assert.equal((await checkOutputs(out)).length, 16);
    } finally {
      await system("umount", "--lazy", out); // a worker that read a video may still be ending
    }
  }));

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}
