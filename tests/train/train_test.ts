import assert from "node:assert/strict";
import { join } from "node:path";
import { train, type TrainedStep, type TrainEvent, type TrainOptions } from "../../train/train.ts";
import { previewTraining } from "../../train/preview.ts";
import { Gpu } from "../../gpu/gpu.ts";
import { NpzFile } from "../../media/npz.ts";
import { openFrameWriter } from "../../media/video_writer.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { uniform } from "../support/random.ts";
import { stopAt } from "../support/train.ts";
import { TOY_CONFIG, writeToyWorld } from "./toy_world.ts";
import { inFolder } from "../support/folder.ts";

/** What the released trainer does not save. */
const EXTRAS = "train_state.json";
const VAE = new URL("../fixtures/goldens/far-action", import.meta.url).pathname;

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
      for (const last of [3, 5]) await stopAt(train, stopped, last);
      const events: TrainEvent[] = [];
      await collect({ ...stopped, onEvent: (event) => events.push(event) });
      assert.ok(events.some(({ event }) => event === "resumed"));
      await assertSameCheckpoint(8, stopped.output, options.output);
      const log = (await Deno.readTextFile(join(stopped.output, "log.jsonl"))).trim().split("\n")
        .map((line) => JSON.parse(line));
      const steps = log.filter((line) => line.event === undefined);
      assert.deepEqual(steps.map(({ step }) => step), [1, 2, 3, 4, 5, 6, 7, 8]);
      assert.deepEqual(steps.map(({ loss }) => loss), whole.map(({ loss }) => loss));
      await assert.rejects(collect({ ...stopped, lr: 1e-4 }), /`lr` was 0.002 and is now 0.0001/);
    }),
});

/** Asserts that the checkpoints of a step are the same in two runs. */
async function assertSameCheckpoint(step: number, a: string, b: string) {
  const names = ["model.safetensors", "ema.pth", "optimizer.bin", "random_states_0.pkl", EXTRAS];
  for (const name of names) {
    const at = (run: string) => Deno.readFile(join(run, "checkpoints", `step-${step}`, name));
    assert.deepEqual(await at(a), await at(b), name);
  }
}

Deno.test({
  ...GPU_TEST,
  name: "train() in f16, stopped around overflows and resumed, equals a run that was not",
  fn: () =>
    inFolder(async (folder) => {
      const f16 = { dtype: "f16", batch: 1 } as const; // one clip has the largest gradients
      const options = await toyOptions(folder, { ...f16, steps: 1, saveEvery: 100 });
      await collect(options);
      const extras = join(options.output, "checkpoints", "step-1", EXTRAS);
      const record = JSON.parse(await Deno.readTextFile(extras));
      assert.equal(record.lossScale.scale, 1024);
      record.lossScale = { scale: 2 ** 24, goodSteps: 1998 };
      await Deno.writeTextFile(extras, JSON.stringify(record));
      const from = join(options.output, "checkpoints", "step-1");
      const whole = { ...options, output: join(folder, "whole"), from, steps: 16 };
      await collect(whole);
      const stopped = { ...whole, output: join(folder, "stopped") };
      for (const last of [2, 4, 7]) await stopAt(train, stopped, last);
      await collect(stopped);
      await assertSameCheckpoint(16, stopped.output, whole.output);
      const log = await Deno.readTextFile(join(whole.output, "log.jsonl"));
      assert.match(log, /"loss":(null|[^,]*),"grad_norm":null/); // there were overflows
      assert.match(log.trim().split("\n").at(-1)!, /"step":16,"loss":[\d.]+,"grad_norm":[\d.]+/);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() gives up a long step at a signal, and computes it later",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, {
        steps: 3,
        saveEvery: 100,
        batch: 3,
        microBatch: 1,
      });
      await collect(options);
      const stopped = { ...options, output: join(folder, "stopped") };
      await stopAt(train, stopped, 1);
      // the first step after a start is awaited pass by pass: a signal in it ends it
      const stop = new AbortController();
      const run = train({
        ...stopped,
        signal: stop.signal,
        onEvent: ({ event }) => event === "resumed" && stop.abort(new Error("stopped")),
      });
      await assert.rejects(run.next(), /stopped/);
      const steps = await collect(stopped);
      assert.equal(steps.at(-1)?.step, 3);
      await assertSameCheckpoint(3, stopped.output, options.output);
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
        [{ freeze: ["*"] }, /everything is frozen/],
        [{ freeze: ["none.*"] }, /Cannot freeze "none\.\*"/],
        [{ size: { width: 30, height: 32 } }, /`size` 30x32: its sides must be multiples of 8/],
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

Deno.test({
  ...GPU_TEST,
  name: "train() makes a model with its training data and start clips on record",
  fn: () =>
    inFolder(async (folder) => {
      const clips = join(folder, "clips");
      await Deno.mkdir(clips);
      for (const name of ["a.npz", "b.npz"]) {
        const writer = await openFrameWriter(join(clips, name), {
          ...{ width: 16, height: 16, fps: 4, actions: [0, 1, 1, 2, 0, 0] },
        });
        for (let i = 0; i < 6; i++) {
          await writer.write({ width: 16, height: 16, data: new Uint8Array(768).fill(40 * i) });
        }
        await writer.close();
      }
      const facts = { actions: ["go", "left", "right", "stay"], fps: 4 };
      await Deno.writeTextFile(join(clips, "far.json"), JSON.stringify(facts));
      const options = await toyOptions(folder, {
        ...{ clips: [clips], config: undefined, vae: undefined, model: VAE },
        ...{ steps: 1, frames: 4, batch: 2, heldOut: 0.5, size: { width: 16, height: 16 } },
        command: "far train clips -o run",
      });
      await collect(options);
      const far = JSON.parse(await Deno.readTextFile(join(options.output, "far.json")));
      assert.deepEqual(far.actions, facts.actions);
      assert.equal(far.fps, 4);
      assert.deepEqual(far.defaults, {
        ...{ steps: 8, guidance: 1, size: "16x16", context: "clips/0.npz", context_frames: 2 },
        ...{ frames: 4, actions: "left,right,go,go" },
      });
      using clip = await NpzFile.open(join(options.output, "clips/0.npz"));
      assert.deepEqual((await clip.header("video")).shape, [6, 16, 16, 3]);
      const card = await Deno.readTextFile(join(options.output, "README.md"));
      assert.match(card, /\| trained on \| `clips` \|/);
      assert.match(card, /\| clips \| 1, 6 frames, 1 more for validation \|/);
      assert.match(card, /\| steps \| 1 of 1, 2 videos each \|/);
      assert.match(card, /far train clips -o run/);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() completes a checkpoint that a kill interrupted",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, {
        ...{ steps: 4, saveEvery: 2, sampleEvery: 2, validateEvery: 2, heldOut: 0.25 },
      });
      await collect(options);
      const at = (name: string) => join(options.output, name);
      const whole = await Deno.readFile(at("transformer/diffusion_pytorch_model.safetensors"));
      const log = (await Deno.readTextFile(at("log.jsonl"))).split("\n");
      await Deno.writeTextFile(
        at("log.jsonl"),
        log.filter((line) => !/event/.test(line)).join("\n"),
      );
      await Deno.remove(at("samples"), { recursive: true });
      await Deno.remove(at("transformer/diffusion_pytorch_model.safetensors"));
      await Deno.writeTextFile(at(`.far.json.${crypto.randomUUID()}.partial`), "{");
      const events: TrainEvent[] = [];
      assert.deepEqual(await collect({ ...options, onEvent: (event) => events.push(event) }), []);
      assert.deepEqual(events.filter(({ event }) => event !== "clips").map(({ event }) => event), [
        ...["resumed", "note", "validation", "sample"],
      ]);
      assert.deepEqual(
        await Deno.readFile(at("transformer/diffusion_pytorch_model.safetensors")),
        whole,
      );
      assert.ok((await Deno.stat(at("samples/step-4.png"))).isFile);
      const names = (await Array.fromAsync(Deno.readDir(options.output))).map(({ name }) => name);
      assert.deepEqual(names.filter((name) => name.endsWith(".partial")), []);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() writes no settings of a run that it refused",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, { steps: 1 });
      await assert.rejects(collect({ ...options, freeze: ["*"] }), /everything is frozen/);
      await assert.rejects(
        collect({ ...options, steps: 2, lr: 1e38 }),
        /step 2 is not finite; no ch/,
      );
      assert.equal((await collect(options)).length, 1);
      await assert.rejects(
        collect({ ...options, weightDecay: 0.5, shuffle: false }),
        /`weightDecay` was 0 and is now 0.5; the order of the clips has changed; use the same/,
      );
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() refuses what no clip could make right before it reads clips",
  fn: () =>
    inFolder(async (folder) => {
      let read = 0;
      const options = await toyOptions(folder, {
        onEvent: ({ event }) => read += +(event === "clips"),
      });
      const other = join(folder, "step-1");
      await Deno.mkdir(other);
      await Deno.copyFile(
        join(VAE, "transformer/diffusion_pytorch_model.safetensors"),
        join(other, "model.safetensors"),
      );
      const long = { _class_name: "FAR_Long", short_term_ctx_winsize: 3, context_patch_size: 2 };
      const cases: [Partial<TrainOptions>, RegExp][] = [
        [{ from: join(folder, "weights") }, /"[^"]*weights": its name is neither step-N nor/],
        [{ from: join(folder, "step-7") }, /Cannot read "[^"]*step-7/],
        [{ from: other }, /step-1\/model.safetensors": it belongs to another model/],
        [{ freeze: ["*"] }, /everything is frozen/],
        [{ batch: 0 }, /batch must be a whole number above 0, not 0/],
        [{ config: { ...TOY_CONFIG, ...long } }, /3 frames leave no long context beyond a window/],
      ];
      for (const [more, pattern] of cases) {
        await assert.rejects(collect({ ...options, ...more }), pattern, String(pattern));
        assert.equal(read, 0, String(pattern));
      }
      const begun = { ...options, steps: 1 };
      await collect(begun);
      assert.ok(read > 0);
      // a run goes on from its own checkpoint, wherever it once began
      const gone = { ...begun, from: join(folder, "step-7") };
      assert.deepEqual(await collect(gone), []);
      assert.ok((await previewTraining(gone)).clips > 0);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() overwrites no model that it did not make",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, { steps: 1 });
      await Deno.mkdir(options.output);
      await Deno.writeTextFile(join(options.output, "model_index.json"), "{}");
      await assert.rejects(collect(options), /it holds a model that was not trained there/);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() continues after a lost device as if nothing had happened",
  fn: () =>
    inFolder(async (folder) => {
      const options = await toyOptions(folder, { steps: 6, saveEvery: 2 });
      const whole = await collect(options);
      const gpu = await Gpu.open();
      const lost = { ...options, output: join(folder, "lost") };
      await assert.rejects(async () => {
        for await (const { step } of train({ ...lost, gpu })) if (step === 3) gpu.device.destroy();
      }, { name: "GpuError", reason: "lost" });
      const rest = await collect(lost);
      assert.deepEqual(rest.map(({ step }) => step), [3, 4, 5, 6]);
      const losses = (steps: TrainedStep[]) => steps.map(({ loss }) => loss);
      assert.deepEqual(losses(rest), losses(whole).slice(2));
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() continues from a checkpoint of the released trainer",
  fn: () =>
    inFolder(async (folder) => {
      const released = new URL("../fixtures/goldens/train/far-action/", import.meta.url).pathname;
      const config = JSON.parse(await Deno.readTextFile(join(released, "config.json")));
      const options = await toyOptions(folder, {
        ...{ config, from: join(released, "checkpoint-3"), steps: 4, batch: 2 },
      });
      const events: TrainEvent[] = [];
      const steps = await collect({ ...options, onEvent: (event) => events.push(event) });
      assert.deepEqual(steps.map(({ step }) => step), [4]);
      assert.ok(events.some((event) => event.event === "resumed" && event.step === 3));
      assert.ok((await Deno.stat(join(options.output, "checkpoints/step-4/optimizer.bin"))).isFile);
    }),
});
