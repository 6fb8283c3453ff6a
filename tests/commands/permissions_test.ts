import assert from "node:assert/strict";
import { join } from "node:path";
import { COMMANDS } from "../../commands/command_table.ts";
import { permissionFlags } from "../../commands/permissions.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const CLIP = join(ROOT, "weights/demo/clips/0.npz");
const FOLDER = await Deno.makeTempDir({ prefix: "far-permissions-" });

/** One run of each command, in this order, and the exit status it is to end with. */
const RUNS: Readonly<Record<string, readonly [args: string, status: number]>> = {
  generate: ["--frames 1 --steps 1 --context-frames 2 -a forward -o one.mp4 -o one.npz", 0],
  encode: [`${CLIP} --frames 2 -o two.safetensors`, 0],
  decode: ["two.safetensors -o two.gif", 0],
  compare: ["one.mp4 one.npz", 0],
  inspect: ["one.mp4", 0],
  batch: ["jobs.jsonl --out-dir out", 0],
  worker: ["--redis redis://127.0.0.1:1", 75],
  pull: ["FAR_B_ucf101_res64_200K_bs32 --offline", 1],
  models: ["", 0],
  convert: ["--transformer none.pth --vae none.pth --preset FAR_B_ucf101_res64_200K_bs32 -o m", 1],
  bench: ["--only codec --quick --runs 1", 0],
  doctor: ["--no-test", 0],
  completions: ["bash", 0],
  manual: ["", 0],
};

async function far(command: string, args: string): Promise<{ code: number; said: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", ...permissionFlags(command), join(ROOT, "cli.ts")],
      ...[command, ...args.split(" ").filter(Boolean)],
    ],
    cwd: FOLDER,
    stdout: "null",
    env: { HF_HOME: join(FOLDER, "hub"), NO_COLOR: "1" },
  }).output();
  return { code, said: new TextDecoder().decode(stderr) };
}

for (const [command, [args, status]] of Object.entries(RUNS)) {
  Deno.test(`far ${command} runs with the permissions that the manual names`, async () => {
    if (command === "batch") {
      const job = { context: CLIP, "context-frames": 2, frames: 1, steps: 1, actions: [0] };
      await Deno.writeTextFile(join(FOLDER, "jobs.jsonl"), `${JSON.stringify(job)}\n`);
    }
    const { code, said } = await far(command, args);
    assert.doesNotMatch(said, /NotCapable|Requires \w+ access/);
    assert.equal(code, status, said);
  });
}

Deno.test("each command's permissions are tested, here or where it is played", async () => {
  await Deno.remove(FOLDER, { recursive: true });
  const tested = [...Object.keys(RUNS), "play"];
  assert.deepEqual(COMMANDS.map(({ name }) => name).sort(), tested.sort());
});

Deno.test("no command needs all of anything that has names, but those that start programs", () => {
  for (const { name } of COMMANDS.filter(({ name }) => !["batch", "worker"].includes(name))) {
    for (const flag of permissionFlags(name)) {
      assert.doesNotMatch(flag, /^(-A|--allow-(all|env|sys|run|net))$/, name);
    }
  }
});
