import assert from "node:assert/strict";
import { parseAutoencoderConfig } from "../../../model/autoencoder_config.ts";
import { mostBytes } from "../../../gpu/memory.ts";
import { planAutoencoder } from "../../../train/autoencoder/plan.ts";
import { isStatistic } from "../../../train/autoencoder/parameters.ts";
import {
  AUTOENCODER_SETTINGS,
  type AutoencoderSettings,
} from "../../../train/autoencoder/settings.ts";
import type { TrainBatch } from "../../../train/settings.ts";
import { assertClose } from "../../support/close.ts";
import { GPU_TEST, testGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";
import { TINY_AUTOENCODER } from "../../support/tiny_autoencoder.ts";
import { stepsOn, withAutoencoderTrainer } from "../../support/autoencoder_training.ts";

const [SIDE, FRAMES] = [16, 2];
/** The same without batch norms, whose statistics join the pictures that are computed at once. */
const WITHOUT = { ...TINY_AUTOENCODER, decoder_norm_types: Array(4).fill("rms_norm") };

function settingsOf(
  config: typeof TINY_AUTOENCODER,
  more: Partial<AutoencoderSettings> = {},
): AutoencoderSettings {
  return {
    ...AUTOENCODER_SETTINGS,
    ...{ config, sizes: parseAutoencoderConfig(config) },
    ...{ height: SIDE, width: SIDE, batch: 4, frames: FRAMES, steps: 4, lr: 1e-3, ema: 0.9 },
    ...more,
  };
}

function batchOf(videos: number, seed: number): TrainBatch {
  const latents = randomFloats(videos * FRAMES * 3 * SIDE ** 2, seed).map((v) => (v + 1) / 2);
  return { videos, frames: FRAMES, latents };
}

function both(a: TrainBatch, b: TrainBatch): TrainBatch {
  return {
    videos: a.videos + b.videos,
    frames: FRAMES,
    latents: Float32Array.of(...a.latents, ...b.latents),
  };
}

const BATCHES = [batchOf(4, 1), batchOf(4, 2)];
const CONFIGS = { "batch norms": TINY_AUTOENCODER, "norms of pixels": WITHOUT };

for (const [title, config] of Object.entries(CONFIGS)) {
  Deno.test(
    { name: `AutoencoderTrainer gives the same bits computing twice, ${title}`, ...GPU_TEST },
    async () => {
      const run = (recompute: boolean) =>
        withAutoencoderTrainer(
          settingsOf(config, { recompute, latentNoise: 0.1 }),
          async (trainer) => {
            assert.equal(trainer.plan.recompute, recompute);
            return await stepsOn(trainer, BATCHES);
          },
        );
      const kept = await run(false);
      assert.equal(kept.results.length, 2);
      assert.deepEqual(await run(true), kept);
    },
  );
}

Deno.test(
  {
    name: "AutoencoderTrainer's accumulation equals one large batch without batch norms",
    ...GPU_TEST,
  },
  async () => {
    const [a, b] = BATCHES as [TrainBatch, TrainBatch];
    const gradients = (more: Partial<AutoencoderSettings>) =>
      withAutoencoderTrainer(
        settingsOf(WITHOUT, { batch: 8, ...more }),
        (t) => t.gradients(both(a, b)),
      );
    const whole = await gradients({});
    for (const microBatch of [1, 3, 8]) {
      const parts = await gradients({ microBatch });
      assert.ok(Math.abs(parts.loss / whole.loss - 1) < 1e-6);
      for (const [name, gradient] of whole.gradients) {
        assertClose(parts.gradients.get(name)!, gradient, 5e-6, name);
      }
    }
    const large = await withAutoencoderTrainer(
      settingsOf(WITHOUT, { batch: 8 }),
      (t) => stepsOn(t, [both(a, b)]),
    );
    const small = await withAutoencoderTrainer(
      settingsOf(WITHOUT, { accumulate: 2 }),
      (t) => stepsOn(t, [a, b]),
    );
    assert.equal(small.results.length, 1);
    assert.ok(Math.abs(small.results[0]!.loss / large.results[0]!.loss - 1) < 1e-6);
    assert.ok(Math.abs(small.results[0]!.gradNorm / large.results[0]!.gradNorm - 1) < 1e-5);
  },
);

Deno.test(
  { name: "AutoencoderTrainer's batch norms see the pictures computed at once", ...GPU_TEST },
  async () => {
    const [a, b] = BATCHES as [TrainBatch, TrainBatch];
    const run = (more: Partial<AutoencoderSettings>, batches: readonly TrainBatch[]) =>
      withAutoencoderTrainer(
        settingsOf(TINY_AUTOENCODER, more),
        (trainer) => stepsOn(trainer, batches),
      );
    const pictures = 4 * FRAMES;
    // the same pictures at once: the same bits, whatever is called a batch
    const accumulated = await run({ accumulate: 2, microBatch: pictures }, [a, b]);
    const divided = await run({ batch: 8, microBatch: pictures }, [both(a, b)]);
    assert.deepEqual(accumulated.state, divided.state);
    // all at once: other statistics, so another gradient
    const large = await run({ batch: 8 }, [both(a, b)]);
    assert.notEqual(large.results[0]!.gradNorm, divided.results[0]!.gradNorm);
    const statistics = [...large.state.parameters].filter(([name]) => isStatistic(name));
    assert.ok(statistics.length > 0);
    // running means: two moves of a tenth to the halves' means, or one to that of all
    for (const [name, values] of statistics.filter(([name]) => name.endsWith("mean")).slice(0, 1)) {
      const halves = divided.state.parameters.get(name)!;
      assert.notDeepEqual(values, halves, name);
    }
  },
);

Deno.test({ name: "AutoencoderTrainer takes the memory it planned", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const limits = {
    buffer: mostBytes("storage", gpu.limits),
    texture: mostBytes("texture", gpu.limits),
  };
  for (
    const more of [{}, { recompute: true }, { microBatch: 3 }, { latentNoise: 1, ema: undefined }]
  ) {
    const settings = settingsOf(TINY_AUTOENCODER, more);
    const { plan } = planAutoencoder(settings, gpu.adapter, limits);
    const before = gpu.allocatedBytes;
    await withAutoencoderTrainer(settings, async (trainer) => {
      await stepsOn(trainer, [BATCHES[0]!]);
      await trainer.validate(BATCHES[1]!);
      assert.deepEqual(trainer.plan, plan);
      assert.equal(gpu.allocatedBytes - before, plan.bytes.total);
    });
    assert.equal(gpu.allocatedBytes, before);
  }
});

Deno.test("planAutoencoder() recomputes blocks, then takes fewer pictures, as memory asks", () => {
  const settings = settingsOf(TINY_AUTOENCODER);
  const plan = (memory?: number) => planAutoencoder(settings, { cpu: false }, { memory }).plan;
  const whole = plan();
  assert.deepEqual([whole.microBatch, whole.recompute], [8, false]);
  const recomputed = plan(whole.bytes.total - 1);
  assert.deepEqual([recomputed.microBatch, recomputed.recompute], [8, true]);
  assert.ok(recomputed.bytes.total < whole.bytes.total);
  assert.ok(recomputed.flops > whole.flops);
  const smaller = plan(recomputed.bytes.total - 1);
  assert.ok(smaller.microBatch < 8 && smaller.bytes.total < recomputed.bytes.total);
  assert.equal(plan(1).microBatch, 1);
});

Deno.test(
  { name: "AutoencoderTrainer leaves weights alone when a step is not finite", ...GPU_TEST },
  async () => {
    await withAutoencoderTrainer(settingsOf(TINY_AUTOENCODER), async (trainer) => {
      const before = await trainer.state();
      for (const wrong of [NaN, Infinity, 1e30]) {
        const latents = BATCHES[0]!.latents.map((value, i) => i === 100 ? wrong : value);
        const { results, state } = await stepsOn(trainer, [{ ...BATCHES[0]!, latents }]);
        assert.equal(results[0]!.finite, false, String(wrong));
        for (const copy of ["expAvg", "expAvgSq", "ema"] as const) {
          assert.deepEqual(state[copy], before[copy]);
        }
        for (const [name, values] of before.parameters) {
          if (!isStatistic(name)) assert.deepEqual(state.parameters.get(name), values, name);
        }
      }
      await trainer.restore(before); // running statistics, too
      const fresh = await withAutoencoderTrainer(
        settingsOf(TINY_AUTOENCODER),
        (t) => stepsOn(t, BATCHES),
      );
      assert.deepEqual(await stepsOn(trainer, BATCHES), fresh);
    });
  },
);

Deno.test({ name: "AutoencoderTrainer.validate() changes nothing", ...GPU_TEST }, async () => {
  await withAutoencoderTrainer(
    settingsOf(TINY_AUTOENCODER, { latentNoise: 0.1 }),
    async (trainer) => {
      const { state: before } = await stepsOn(trainer, BATCHES);
      const found = await trainer.validate(BATCHES[0]!);
      assert.deepEqual(await trainer.validate(BATCHES[0]!), found);
      assert.deepEqual(await trainer.state(), before);
    },
  );
});

Deno.test(
  { name: "AutoencoderTrainer ends a step that has moved running statistics", ...GPU_TEST },
  async () => {
    const stopped = (config: typeof TINY_AUTOENCODER, signal: AbortSignal | undefined) =>
      withAutoencoderTrainer(settingsOf(config, { microBatch: 2 }), async (trainer) => {
        await trainer.submit(BATCHES[0]!, signal);
        await trainer.flush();
        return await trainer.state();
      });
    const aborted = AbortSignal.abort();
    const state = await stopped(TINY_AUTOENCODER, aborted);
    assert.equal(state.step, 1);
    assert.deepEqual(state, await stopped(TINY_AUTOENCODER, undefined));
    assert.equal((await stopped(WITHOUT, aborted)).step, 0, "others are given up");
  },
);
