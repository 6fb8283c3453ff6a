import assert from "node:assert/strict";
import { join } from "node:path";
import { mostBytes } from "../../../gpu/memory.ts";
import { parseAutoencoderConfig } from "../../../model/autoencoder_config.ts";
import { isStatistic } from "../../../train/autoencoder/parameters.ts";
import { planAutoencoder } from "../../../train/autoencoder/plan.ts";
import { previewAutoencoder } from "../../../train/autoencoder/preview.ts";
import {
  AUTOENCODER_SETTINGS,
  type AutoencoderSettings,
} from "../../../train/autoencoder/settings.ts";
import { type AutoencoderOptions, trainAutoencoder } from "../../../train/autoencoder/train.ts";
import type { TrainBatch } from "../../../train/settings.ts";
import { GPU_TEST, testGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";
import { TINY_AUTOENCODER } from "../../support/tiny_autoencoder.ts";
import { stopAt } from "../../support/train.ts";
import { inFolder } from "../../support/folder.ts";
import {
  stepsOfRun,
  stepsOn,
  tinyOptions,
  withAutoencoderTrainer,
} from "../../support/autoencoder_training.ts";

const [SIDE, FRAMES] = [24, 2];
const DISCRIMINATOR = { discStart: 2, discFilters: 4 };

function settingsOf(more: Partial<AutoencoderSettings> = {}): AutoencoderSettings {
  return {
    ...AUTOENCODER_SETTINGS,
    ...{ config: TINY_AUTOENCODER, sizes: parseAutoencoderConfig(TINY_AUTOENCODER) },
    ...{ height: SIDE, width: SIDE, batch: 2, frames: FRAMES, steps: 4, lr: 1e-3, ema: 0.9 },
    ...{ discStart: 1, discFilters: 4 },
    ...more,
  };
}

function batchOf(seed: number): TrainBatch {
  const latents = randomFloats(2 * FRAMES * 3 * SIDE ** 2, seed).map((v) => (v + 1) / 2);
  return { videos: 2, frames: FRAMES, latents };
}

const BATCHES = [batchOf(1), batchOf(2), batchOf(3)];

Deno.test(
  { name: "a discriminator joins after its start, and the encoder rests", ...GPU_TEST },
  () =>
    withAutoencoderTrainer(settingsOf(), async (trainer) => {
      const first = await stepsOn(trainer, BATCHES.slice(0, 1));
      assert.equal(first.results[0]!.generatorLoss, undefined);
      assert.equal(first.state.discriminator!.step, 0);
      const { results, state } = await stepsOn(trainer, BATCHES.slice(1));
      assert.ok(results.every(({ generatorLoss }) => Number.isFinite(generatorLoss)));
      assert.ok(results.every(({ discriminatorLoss }) => discriminatorLoss! > 0));
      assert.equal(state.discriminator!.step, 2);
      for (const [name, values] of state.parameters) {
        const rests = name.startsWith("encoder.") && !isStatistic(name);
        const before = first.state.parameters.get(name);
        if (rests) assert.deepEqual(values, before, name);
        else assert.notDeepEqual(values, before, name);
      }
      for (const [name, values] of state.discriminator!.parameters) {
        if (name === "main.11.bias") continue; // as many logits may lead up as down
        assert.notDeepEqual(values, first.state.discriminator!.parameters.get(name), name);
      }
      const validated = await trainer.validate(BATCHES[0]!);
      assert.deepEqual(await trainer.state(), state, "validation changes nothing");
      assert.ok(validated.loss > 0);
    }),
);

Deno.test({ name: "a restored discriminator takes the same steps", ...GPU_TEST }, async () => {
  const [first, rest] = [BATCHES.slice(0, 2), BATCHES.slice(2)];
  const whole = await withAutoencoderTrainer(settingsOf(), (trainer) => stepsOn(trainer, BATCHES));
  const { state } = await withAutoencoderTrainer(
    settingsOf(),
    (trainer) => stepsOn(trainer, first),
  );
  await withAutoencoderTrainer(settingsOf({ seed: 5 }), async (trainer) => {
    await trainer.restore(state);
    const { results, state: end } = await stepsOn(trainer, rest);
    assert.deepEqual(results[0], whole.results[2]);
    assert.deepEqual(end, whole.state);
  });
  // a state that has none: it begins with its own
  const { discriminator: _, ...without } = state;
  await withAutoencoderTrainer(settingsOf(), async (trainer) => {
    await trainer.restore(without);
    const { state: end } = await stepsOn(trainer, rest);
    assert.equal(end.discriminator!.step, 1);
  });
  await withAutoencoderTrainer(settingsOf({ discFilters: 8 }), async (trainer) => {
    await assert.rejects(trainer.restore(state), /Cannot continue training: the state has no/);
  });
});

Deno.test({ name: "batches accumulate for both networks alike", ...GPU_TEST }, async () => {
  const pictures = 2 * FRAMES;
  const [a, b] = BATCHES as [TrainBatch, TrainBatch];
  const both = { videos: 4, frames: FRAMES, latents: Float32Array.of(...a.latents, ...b.latents) };
  const start = { discStart: 0, microBatch: pictures };
  const accumulated = await withAutoencoderTrainer(
    settingsOf({ ...start, accumulate: 2 }),
    (trainer) => stepsOn(trainer, [a, b]),
  );
  const divided = await withAutoencoderTrainer(
    settingsOf({ ...start, batch: 4 }),
    (trainer) => stepsOn(trainer, [both]),
  );
  assert.deepEqual(accumulated.state, divided.state);
  const { generatorLoss, discriminatorLoss } = divided.results[0]!;
  assert.deepEqual(accumulated.results[0]!.generatorLoss, generatorLoss);
  assert.deepEqual(accumulated.results[0]!.discriminatorLoss, discriminatorLoss);
});

Deno.test({ name: "a discriminator's memory is planned", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const limits = {
    buffer: mostBytes("storage", gpu.limits),
    texture: mostBytes("texture", gpu.limits),
  };
  const { plan: without } = planAutoencoder(
    settingsOf({ discStart: undefined, discFilters: undefined }),
    gpu.adapter,
    limits,
  );
  for (const more of [{}, { recompute: true, microBatch: 3 }]) {
    const settings = settingsOf(more);
    const { plan } = planAutoencoder(settings, gpu.adapter, limits);
    const numbers = 4 * (4 * 16 * 4 + 8 * 64 + 16 * 128 + 32 * 256 + 512); // convolutions alone
    assert.ok(plan.bytes.weights >= without.bytes.weights + numbers);
    assert.ok(plan.bytes.moments >= without.bytes.moments + 2 * numbers);
    const before = gpu.allocatedBytes;
    await withAutoencoderTrainer(settings, async (trainer) => {
      await stepsOn(trainer, BATCHES.slice(0, 2));
      await trainer.validate(BATCHES[1]!);
      assert.equal(gpu.allocatedBytes - before, plan.bytes.total);
    });
    assert.equal(gpu.allocatedBytes, before);
  }
});

Deno.test(
  { name: "a step that is not finite changes neither network", ...GPU_TEST },
  () =>
    withAutoencoderTrainer(settingsOf({ discStart: 0 }), async (trainer) => {
      const before = await trainer.state();
      for (const wrong of [NaN, 1e30]) {
        const latents = BATCHES[0]!.latents.map((value, i) => i === 100 ? wrong : value);
        const { results, state } = await stepsOn(trainer, [{ ...BATCHES[0]!, latents }]);
        assert.equal(results[0]!.finite, false, String(wrong));
        for (const [own, old] of [[state, before], [state.discriminator!, before.discriminator!]]) {
          assert.deepEqual(own!.expAvg, old!.expAvg);
          for (const [name, values] of old!.parameters) {
            if (!isStatistic(name)) assert.deepEqual(own!.parameters.get(name), values, name);
          }
        }
      }
      await trainer.restore(before);
      const fresh = await withAutoencoderTrainer(settingsOf({ discStart: 0 }), (t) =>
        stepsOn(t, BATCHES));
      assert.deepEqual(await stepsOn(trainer, BATCHES), fresh);
    }),
);

const FILES = [
  ...["model.safetensors", "model_1.safetensors", "ema.pth", "random_states_0.pkl"],
  ...["optimizer.bin", "optimizer_1.bin", "scheduler.bin", "scheduler_1.bin"],
  "train_state.json",
];

// a step more is under way then: the last without the discriminator, or the first with it
for (const stop of [1, 2]) {
  Deno.test({
    ...GPU_TEST,
    name: `a GAN stopped at step ${stop} and resumed equals a run that was not, bit for bit`,
    fn: () =>
      inFolder(async (folder) => {
        const options = await tinyOptions(folder, DISCRIMINATOR);
        const whole = await stepsOfRun(options);
        const stopped = { ...options, output: join(folder, "stopped") };
        await stopAt(trainAutoencoder, stopped, stop);
        const rest = await stepsOfRun(stopped);
        const { seconds: _, ...last } = rest.at(-1)!;
        const { seconds: __, ...expected } = whole.at(-1)!;
        assert.deepEqual(last, expected);
        for (const name of FILES) {
          const at = (run: string) => Deno.readFile(join(run, "checkpoints", "step-4", name));
          assert.deepEqual(await at(stopped.output), await at(options.output), name);
        }
        assert.deepEqual(await adversarialSteps(stopped.output), [3, 4]);
        const report = await Deno.readTextFile(join(stopped.output, "report.html"));
        assert.match(report, /Adversarial losses/);
        assert.match(report, /4 filters, after step 2/);
        const other = stepsOfRun({ ...stopped, discWeight: 1 });
        await assert.rejects(other, /`discWeight` was 0\.5/);
        await Deno.remove(join(stopped.output, "checkpoints", "step-4", "model_1.safetensors"));
        await assert.rejects(stepsOfRun({ ...stopped, steps: 5 }), /model_1\.safetensors/);
      }),
  });
}

/** Which steps of a log have losses of a discriminator. */
async function adversarialSteps(run: string): Promise<number[]> {
  const text = await Deno.readTextFile(join(run, "log.jsonl"));
  return text.trim().split("\n").map((line) => JSON.parse(line))
    .filter((line) => line.event === undefined && "g_loss" in line && "d_loss" in line)
    .map(({ step }) => step);
}

Deno.test({
  ...GPU_TEST,
  name: "a GAN's dry run measures both phases",
  fn: () =>
    inFolder(async (folder) => {
      const { plan, secondsPerStep } = await previewAutoencoder(
        await tinyOptions(folder, DISCRIMINATOR),
      );
      assert.ok(secondsPerStep > 0 && plan.flops > 0);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "a discriminator that does not fit is refused",
  fn: () =>
    inFolder(async (folder) => {
      const options = await tinyOptions(folder, DISCRIMINATOR);
      const refused: [Partial<AutoencoderOptions>, RegExp][] = [
        [{ discStart: -1 }, /`discStart` must be a whole number of steps, not -1/],
        [{ discStart: 1.5 }, /`discStart` must be a whole number of steps, not 1\.5/],
        [{ discFilters: 6 }, /`discFilters` must be a multiple of 4, not 6/],
        [{ discFilters: 0 }, /`discFilters` must be a multiple of 4, not 0/],
        [{ discWeight: -1 }, /`discWeight` must not be -1/],
        [{ discWeight: Infinity }, /`discWeight` must not be Infinity/],
        [{ discStart: undefined }, /`discFilters` needs `discStart`/],
        [{ size: { width: 16, height: 24 } }, /a discriminator needs pictures of 24x24 or more/],
        [{ freeze: ["decoder.*"] }, /all of the decoder is frozen, which a discriminator needs/],
      ];
      for (const [index, [more, expected]] of refused.entries()) {
        const output = join(folder, `refused-${index}`);
        await assert.rejects(stepsOfRun({ ...options, output, ...more }), expected);
      }
    }),
});
