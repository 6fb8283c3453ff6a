import assert from "node:assert/strict";
import { join } from "node:path";
import { train, type TrainedStep, type TrainEvent, type TrainOptions } from "../../train/train.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";
import { TOY_CONFIG, writeToyWorld } from "./toy_world.ts";

const VAE = new URL("../fixtures/goldens/far-action", import.meta.url).pathname;

function uniform(seed: number): () => number {
  const values = randomFloats(100_000, seed);
  let at = 0;
  return () => (values[at++]! + 1) / 2;
}

async function inFolder(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function toyOptions(folder: string, more: Partial<TrainOptions>): Promise<TrainOptions> {
  return {
    clips: [await writeToyWorld(folder, 64, 8, uniform(1))],
    output: join(folder, "run"),
    config: TOY_CONFIG,
    vae: VAE,
    gpu: await testGpu(),
    frames: 3,
    batch: 8,
    lr: 2e-3,
    heldOut: 0,
    steps: 6,
    ...more,
  };
}

async function collect(options: TrainOptions): Promise<TrainedStep[]> {
  return await Array.fromAsync(train(options));
}

Deno.test({
  ...GPU_TEST,
  name: "train() stopped and resumed equals a run that was not, bit for bit",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, { steps: 8, saveEvery: 100 });
      const whole = await collect(options);
      const stopped = { ...options, output: join(folder, "stopped") };
      for (const last of [3, 5]) {
        const stop = new AbortController();
        const reason = new Error("stopped");
        await assert.rejects(async () => {
          for await (const { step } of train({ ...stopped, signal: stop.signal })) {
            if (step === last) stop.abort(reason);
          }
        }, reason);
      }
      const events: TrainEvent[] = [];
      await collect({ ...stopped, onEvent: (event) => events.push(event) });
      assert.ok(events.some(({ event }) => event === "resumed"));
      for (const name of ["model.safetensors", "ema.pth", "optimizer.bin", "random_states_0.pkl"]) {
        const at = (run: string) => Deno.readFile(join(run, "checkpoints", "step-8", name));
        assert.deepEqual(await at(stopped.output), await at(options.output), name);
      }
      const log = (await Deno.readTextFile(join(stopped.output, "log.jsonl"))).trim().split("\n")
        .map((line) => JSON.parse(line));
      const steps = log.filter((line) => line.event === undefined);
      assert.deepEqual(steps.map(({ step }) => step), [1, 2, 3, 4, 5, 6, 7, 8]);
      assert.deepEqual(steps.map(({ loss }) => loss), whole.map(({ loss }) => loss));
      await assert.rejects(collect({ ...stopped, lr: 1e-4 }), /`lr` was 0.002 and is now 0.0001/);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() keeps checkpoints, validates, samples and reports",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, {
        steps: 6,
        saveEvery: 2,
        keep: 2,
        sampleEvery: 4,
        validateEvery: 3,
        heldOut: 0.25,
        command: "far train toy.safetensors -o run",
      });
      const events: TrainEvent[] = [];
      await collect({ ...options, onEvent: (event) => events.push(event) });
      const checkpoints = await Array.fromAsync(Deno.readDir(join(options.output, "checkpoints")));
      assert.deepEqual(checkpoints.map(({ name }) => name).sort(), ["step-4", "step-6"]);
      const losses = events.flatMap((e) => e.event === "validation" ? [e.loss] : []);
      assert.equal(losses.length, 2);
      assert.ok(losses.every((loss) => loss > 0));
      const samples = await Array.fromAsync(Deno.readDir(join(options.output, "samples")));
      const names = samples.map(({ name }) => name).sort();
      assert.deepEqual(names, ["step-4.mp4", "step-4.png", "step-6.mp4", "step-6.png"]);
      const report = await Deno.readTextFile(join(options.output, "report.html"));
      assert.match(report, /Step 6 of 6/);
      assert.match(report, /data:image\/png;base64/);
      assert.doesNotMatch(report, /(src|href)="(?!data:)/);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() refuses options that do not fit",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, {});
      const cases: [Partial<TrainOptions>, RegExp][] = [
        [{ vae: undefined }, /which autoencoder/],
        [{ config: undefined, vae: undefined }, /what to train/],
        [{ clips: [folder + "/none.mp4"] }, /none.mp4/],
        [{ frames: 9 }, /it has 8 frames, and a window of 9 needs 9/],
        [{ freeze: ["*"] }, /./],
        [{ config: { ...TOY_CONFIG, in_channels: 16, out_channels: 16 } }, /32 latent channels/],
        [{ model: VAE }, /another architecture than the one given/],
        [
          { config: { ...TOY_CONFIG, condition_cfg: { type: "action", num_action_classes: 2 } } },
          /action \d .*0 to 1/,
        ],
      ];
      for (const [more, pattern] of cases) {
        await assert.rejects(collect({ ...options, ...more }), pattern, String(pattern));
      }
    }),
});
