import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "../../commands/table.ts";
import type { CommandSpec } from "../../cli/command.ts";
import { permissionFlags } from "../../cli/permissions.ts";
import { FakeHub } from "../support/fake_hub.ts";
import { makeQuickDemo } from "../support/quick_demo.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GOLDENS = join(ROOT, "tests/fixtures/goldens");
const FOLDER = await Deno.makeTempDir({ prefix: "far-permissions-" });
/** Model of the commands that name none. */
const QUICK = join(FOLDER, "quick");
await makeQuickDemo(QUICK);
const CLIP = join(QUICK, "clips/0.npz");

function specOf(command: string): CommandSpec {
  return COMMANDS.find(({ name }) => name === command)!;
}

/** A run and its expected exit status. */
type Run = readonly [command: string, args: string, status: number];

const CONVERTED = [
  `--transformer ${GOLDENS}/checkpoints/far-uncond.pth`,
  `--vae ${GOLDENS}/far-uncond/vae/diffusion_pytorch_model.safetensors`,
  `--config ${GOLDENS}/far-uncond/transformer/config.json`,
  `--vae-config ${GOLDENS}/far-uncond/vae/config.json`,
].join(" ");

/** In this order; play and pull are below. */
const RUNS: readonly Run[] = [
  ["generate", "--frames 1 --steps 1 --context-frames 2 -a forward -o one.mp4 -o one.npz", 0],
  ["encode", `${CLIP} --frames 2 -o two.safetensors`, 0],
  ["decode", "two.safetensors -o two.gif", 0],
  ["compare", "one.mp4 one.npz", 0],
  [
    "evaluate",
    `${QUICK} ${CLIP} --context-frames 2 --frames 1 --steps 1 --agreement 1 -o report.html -o n.json`,
    0,
  ],
  [
    "train",
    `${CLIP} -o world -m ${QUICK} --steps 1 --batch 1 --frames 9`,
    0,
  ],
  ["import", "one.mp4 --keys keys.json --log keys.csv -o clips", 0],
  ["inspect", "one.mp4", 0],
  ["inspect", "FAR_B_ucf101_res64_200K_bs32", 2],
  ["batch", "jobs.jsonl --out-dir out", 0],
  ["worker", "--redis redis://127.0.0.1:1", 75],
  ["models", "", 0],
  ["export", "--web -o page", 0],
  ["serve", "nosuch", 2],
  ["convert", `${CONVERTED} -o model`, 0],
  ["bench", "--only codec --quick --runs 1", 0],
  ["doctor", "", 0],
  ["completions", "bash", 0],
  ["manual", "", 0],
];

/** Runs a command with the manual's flags, and replacements for those about the network. */
async function far(
  command: string,
  args: string,
  env: Readonly<Record<string, string>> = {},
  net?: string,
): Promise<{ code: number; said: string }> {
  const flags = permissionFlags(specOf(command).permissions)
    .map((flag) => net && flag.startsWith("--allow-net") ? `--allow-net=${net}` : flag);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", ...flags, join(ROOT, "cli.ts")],
      ...[command, ...args.split(" ").filter(Boolean)],
    ],
    cwd: FOLDER,
    stdout: "null",
    env: { HF_HOME: join(FOLDER, "hub"), NO_COLOR: "1", FAR_MODEL: QUICK, ...env },
  }).output();
  return { code, said: new TextDecoder().decode(stderr) };
}

for (const [command, args, status] of RUNS) {
  const said = args.replaceAll(ROOT, "");
  Deno.test(`far ${command} runs with the permissions of the manual: ${said}`, async () => {
    if (command === "batch") {
      const job = { context: CLIP, "context-frames": 2, frames: 1, steps: 1, actions: [0] };
      await Deno.writeTextFile(join(FOLDER, "jobs.jsonl"), `${JSON.stringify(job)}\n`);
    }
    await Deno.writeTextFile(join(FOLDER, "keys.json"), '{"w": "forward"}');
    await Deno.writeTextFile(join(FOLDER, "keys.csv"), "time,keys\n0,w\n");
    const { code, said } = await far(command, args);
    assert.doesNotMatch(said, /NotCapable|Requires \w+ access/);
    assert.equal(code, status, said);
  });
}

/** Says at the end which permissions the program still has. */
const PROBE = `addEventListener("unload", () => {
  const names = ["read", "write", "net", "ffi", "run"];
  const held = names.filter((name) => Deno.permissions.querySync({ name }).state === "granted");
  console.error("held: " + held.join());
});`;

const HELD: readonly (readonly [command: string, held: string])[] = [
  ["manual", "read"],
  ["models", "read,write"], // write: for rm
  ["pull nobody", "read,write,net"],
  ["generate", "read,write,ffi,run"], // run: ffmpeg
  ["compare - -", "read,write,ffi,run"],
];

for (const [command, held] of HELD) {
  Deno.test(`far ${command} drops the permissions that it does not need`, async () => {
    const probe = join(FOLDER, "probe.ts");
    await Deno.writeTextFile(probe, PROBE);
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--preload", probe, join(ROOT, "cli.ts"), ...command.split(" ")],
      stdout: "null",
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.equal(/^held: (.*)$/m.exec(said)?.[1], held, said);
  });
}

Deno.test("far pull runs with the permissions of the manual", async () => {
  const hub = await FakeHub.start();
  try {
    hub.large.set("dcae/x.pth", new Uint8Array(2_000_000));
    const { endpoint: HF_ENDPOINT, cache: HF_HUB_CACHE } = hub.settings;
    const env = { HF_ENDPOINT, HF_HUB_CACHE };
    const { code, said } = await far("pull", "someone/model/dcae/x.pth", env, "127.0.0.1");
    assert.equal(code, 0, said);
  } finally {
    await hub.stop();
  }
});

Deno.test("each command's permissions are tested, here or where it is played", async () => {
  await Deno.remove(FOLDER, { recursive: true });
  const tested = new Set([...RUNS.map(([command]) => command), "play", "pull"]);
  assert.deepEqual(COMMANDS.map(({ name }) => name).sort(), [...tested].sort());
});

Deno.test("only commands that start programs need unrestricted permissions", () => {
  for (
    const { name } of COMMANDS.filter(({ name }) =>
      !["batch", "worker", "evaluate", "export"].includes(name)
    )
  ) {
    for (const flag of permissionFlags(specOf(name).permissions)) {
      assert.doesNotMatch(flag, /^(-A|--allow-(all|env|sys|run|net))$/, name);
    }
  }
});
