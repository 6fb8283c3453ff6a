import assert from "node:assert/strict";
import { type FarSizes, parseTransformerConfig } from "../../../model/config.ts";
import { flowMatchTimes, schedule, trainedSigma } from "../../../model/scheduler.ts";
import {
  distilledSchedule,
  type DistillOptions,
  distillSettings,
} from "../../../train/distill/settings.ts";
import { StepRandom } from "../../../train/draws.ts";
import { distillDraws } from "../../../train/distill/draws.ts";
import { arrangeInputs, layoutOf } from "../../../train/inputs.ts";
import { listParameters } from "../../../train/parameters.ts";
import {
  type ParameterSource,
  RELEASED_SETTINGS,
  type StepResult,
  type TrainBatch,
  Trainer,
  type TrainerSettings,
} from "../../../train/trainer.ts";
import { velocityReference } from "../../reference/far.ts";
import { GPU_TEST, testGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";

const [CHANNELS, HEIGHT, WIDTH] = [4, 4, 2];
const VOLUME = CHANNELS * HEIGHT * WIDTH;

const CLASSES = { num_action_classes: 3, num_classes: 3 };

/** A small transformer: with long-term context and actions, or without any of it. */
function configOf(long: boolean, condition: string | undefined) {
  return parseTransformerConfig({
    _class_name: long ? "FAR_Long" : "FAR",
    attention_head_dim: 64,
    axes_dims_rope: [16, 24, 24],
    condition_cfg: condition && { type: condition, ...CLASSES },
    ...(long && { context_patch_size: 2 }),
    in_channels: CHANNELS,
    num_attention_heads: 1,
    num_layers: 2,
    out_channels: CHANNELS,
    patch_size: 1,
    short_term_ctx_winsize: 3,
    slope_scale: 0.05,
  });
}

const LONG = configOf(true, "action");

function settingsOf(
  config: FarSizes,
  distill: DistillOptions,
  more: Partial<TrainerSettings> = {},
): TrainerSettings {
  const long = config.contextPatch !== undefined;
  return {
    ...RELEASED_SETTINGS,
    ...{ config, height: HEIGHT, width: WIDTH, batch: 4, frames: long ? 5 : 3 },
    trainingType: long ? "long_context" : "base",
    lr: 1e-3,
    steps: 10,
    seed: 3,
    cleanContext: undefined,
    conditionDropout: 0,
    distill: distillSettings(distill),
    noise: distilledSchedule(distill, RELEASED_SETTINGS.noise),
    ...more,
  };
}

function weightsOf(config: FarSizes): ParameterSource {
  const names = listParameters(config).map(({ name }) => name);
  return (name, shape) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = randomFloats(count, names.indexOf(name) + 1, name.includes("norm_") ? 1 : 0.2);
    return Promise.resolve(values);
  };
}

function batchOf({ config, batch: videos, frames }: TrainerSettings, seed: number): TrainBatch {
  const latents = randomFloats(videos * frames * VOLUME, seed, 6);
  const { kind } = config.condition;
  const count = kind === "none" ? 0 : kind === "label" ? videos : videos * frames;
  const classes = Int32Array.from({ length: count }, (_, i) => (i * seed) % 3);
  return { videos, frames, latents, ...(count > 0 && { classes }) };
}

async function withTrainer<T>(
  settings: TrainerSettings,
  body: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const gpu = await testGpu();
  const trainer = await Trainer.open(gpu, settings, weightsOf(settings.config));
  try {
    return await body(trainer);
  } finally {
    trainer.close();
  }
}

/** The loss of the first step, frame by frame as they are generated, by plain loops. */
async function plainLoss(settings: TrainerSettings, batch: TrainBatch): Promise<number> {
  const { config, scalingFactor, seed, distill, noise: levels } = settings;
  const { steps, teacherSteps, guidance, flowShare, ownContext } = distill!;
  const source = weightsOf(config);
  const weights = new Map<string, Float32Array>();
  for (const { name, shape } of listParameters(config)) {
    weights.set(name, await source(name, shape));
  }
  const draws = new StepRandom(seed).draw(settings, batch.videos, batch.frames);
  const { frames: n, start } = draws;
  const context = config.contextPatch === undefined ? 0 : n - config.window;
  let loss = 0;
  for (let video = 0; video < batch.videos; video++) {
    const noise = (f: number) => draws.noise.slice((video * n + f) * VOLUME).slice(0, VOLUME);
    const truth = (f: number) =>
      batch.latents.slice((video * batch.frames + start + f) * VOLUME).slice(0, VOLUME)
        .map((v) => v * Math.fround(scalingFactor));
    const kind = config.condition.kind;
    const classes = kind === "none"
      ? undefined
      : Array.from({ length: n }, (_, f) =>
        batch.classes![kind === "label" ? video : video * batch.frames + start + f]!);
    const velocity = (before: Float32Array[], x: Float32Array, timestep: number, guided = 1) => {
      const frames = [...before, x];
      const sizes = { ...config, window: frames.length - context };
      const of = (classes: number[] | undefined) =>
        velocityReference(weights, sizes, {
          frames,
          height: HEIGHT,
          width: WIDTH,
          timestep,
          classes,
        });
      const v = of(classes?.slice(0, frames.length));
      if (guided === 1) return v;
      const without = of(frames.map(() => config.condition.count));
      return v.map((value, i) => without[i]! + guided * (value - without[i]!));
    };
    const made = (before: Float32Array[], f: number) => {
      const x = noise(f);
      for (const { timestep, c0 } of schedule(steps, "euler", levels)) {
        for (const [i, v] of velocity(before, x, timestep).entries()) x[i]! += c0 * v;
      }
      return x;
    };
    const taught = video < batch.videos - Math.floor(flowShare * batch.videos);
    const error = (before: Float32Array[], x: Float32Array, at: number, target: Float32Array) => {
      const v = velocity(before, x, Math.fround(1000 * at));
      return v.reduce((sum, value, i) => sum + (value - target[i]!) ** 2, 0) / VOLUME;
    };
    const flowLoss = (before: Float32Array[], f: number) => {
      const sigma = trainedSigma(draws.sigmaIndex[video * n + f]!, levels);
      const [e, x0] = [noise(f), truth(f)];
      const x = e.map((value, i) => sigma * value + (1 - sigma) * x0[i]!);
      return error(before, x, sigma, e.map((value, i) => value - x0[i]!));
    };
    /** What is left of one of the student's steps after some of the teacher's. */
    const leftAfter = (k: number, to: number) => (1 - k / teacherSteps) ** (to === 0 ? 1.5 : 1);
    /** At each step from where the student is. */
    const taughtLoss = (before: Float32Array[], f: number) => {
      const { sigmas } = flowMatchTimes(steps, levels);
      const own = noise(f);
      let loss = 0;
      for (let step = 0; step < steps; step++) {
        const [from, to] = [sigmas[step]!, sigmas[step + 1]!];
        const x = own.slice();
        let last: { readonly v: Float32Array; readonly h: number } | undefined;
        for (let k = 0; k < teacherSteps; k++) {
          const [sigma, next] = [k, k + 1].map((k) => to + (from - to) * leftAfter(k, to));
          const h = next! - sigma!;
          const v = velocity(before, x, Math.fround(1000 * sigma!), guidance);
          for (const [i, value] of v.entries()) {
            const change = last ? h / last.h / 2 * (value - last.v[i]!) : 0;
            x[i]! += h * (value + change);
          }
          last = { v, h };
        }
        const target = x.map((value, i) => (value - own[i]!) / (to - from));
        loss += error(before, own, from, target) / steps;
        const v = velocity(before, own, Math.fround(1000 * from));
        for (const [i, value] of v.entries()) own[i]! += (to - from) * value;
      }
      return loss;
    };
    const frameLoss = taught ? taughtLoss : flowLoss;
    const truths = Array.from({ length: n }, (_, f) => truth(f));
    const before = truths.slice(0, n - 3);
    if (ownContext === 1) {
      for (const f of [n - 3, n - 2]) before.push(made(before, f));
      loss += frameLoss(before, n - 1) / batch.videos;
    } else {
      for (const f of [n - 3, n - 2, n - 1]) {
        loss += frameLoss(truths.slice(0, f), f) / 3 / batch.videos;
      }
    }
  }
  return loss;
}

const TARGETS = [
  { title: "2 steps", config: LONG, distill: { steps: 2, teacherSteps: 3 } },
  {
    title: "2 steps, contexts of the clips",
    config: LONG,
    distill: { steps: 2, teacherSteps: 3, ownContext: 0 },
  },
  {
    title: "guided and flow alone too, contexts of the clips",
    config: LONG,
    distill: { steps: 2, guidance: 2.5, flowShare: 0.5, ownContext: 0 },
  },
  {
    title: "without long-term context, contexts of the clips",
    config: configOf(false, "action"),
    distill: { steps: 3, ownContext: 0 },
  },
  { title: "1 step, guided", config: LONG, distill: { steps: 1, teacherSteps: 4, guidance: 2.5 } },
  { title: "4 steps, flow alone too", config: LONG, distill: { steps: 4, flowShare: 0.5 } },
  { title: "3 steps, shifted", config: LONG, distill: { steps: 3, shift: 5, shiftTerminal: 0.2 } },
  { title: "without long-term context", config: configOf(false, "action"), distill: { steps: 3 } },
  { title: "labels, guided", config: configOf(false, "label"), distill: { steps: 2, guidance: 4 } },
  { title: "no condition", config: configOf(false, undefined), distill: { steps: 2 } },
] as const;

for (const { title, config, distill } of TARGETS) {
  Deno.test({
    name: `distillation regresses on the teacher's steps as the sampler takes them: ${title}`,
    ...GPU_TEST,
  }, async () => {
    const given = { teacherSteps: 2, flowShare: 0, ownContext: 1, ...distill };
    const settings = settingsOf(config, given);
    const batch = batchOf(settings, 1);
    const { loss } = await withTrainer(settings, (trainer) => trainer.gradients(batch));
    const expected = await plainLoss(settings, batch);
    assert.ok(expected > 1e-4, `${expected}`);
    assert.ok(Math.abs(loss - expected) < 2e-4 * expected, `${loss} is not ${expected}`);
  });
}

Deno.test("errors of frames that are taught are limited, and no others", () => {
  const settings = settingsOf(LONG, { steps: 2, flowShare: 0.5, ownContext: 0 });
  const [batch, distill] = [batchOf(settings, 1), settings.distill!];
  const drawn = new StepRandom(3).draw(settings, batch.videos, batch.frames);
  const draws = distillDraws({ ...settings, distill }, 1, drawn, batch.videos);
  const part = { first: 0, count: batch.videos, lossScale: 1 };
  const { limits, weights } = arrangeInputs(settings, batch, draws, part);
  const perVideo = limits.length / batch.videos; // three clean frames, then these noisy
  for (const [i, limit] of limits.entries()) {
    const isNoisy = i % perVideo >= 3;
    assert.equal(weights[i]! > 0, isNoisy);
    assert.equal(limit > 0, isNoisy && i < 2 * perVideo, `${i}`);
  }
});

/** Takes steps, and returns all that is left. */
async function train(trainer: Trainer, batches: readonly TrainBatch[]) {
  const results: StepResult[] = [];
  for (const batch of batches) {
    const before = await trainer.submit(batch);
    if (before) results.push(before);
  }
  const last = await trainer.flush();
  if (last) results.push(last);
  return { results, state: await trainer.state() };
}

const DISTILL = { steps: 2, teacherSteps: 2, guidance: 1.5, flowShare: 0.5, ownContext: 0.5 };
const SHORT = settingsOf(LONG, DISTILL, { steps: 3, conditionDropout: 0.1 });
const BATCHES = [1, 2, 3].map((seed) => batchOf(SHORT, seed));

/** What a whole run gives, which is the same each time. */
let whole: ReturnType<typeof train> | undefined;
const wholeRun = () => whole ??= withTrainer(SHORT, (trainer) => train(trainer, BATCHES));

Deno.test({ name: "distillation continues from a state bit for bit", ...GPU_TEST }, async () => {
  const whole = await wholeRun();
  for (const stop of [1, 2]) {
    const half = await withTrainer(SHORT, (trainer) => train(trainer, BATCHES.slice(0, stop)));
    const rest = await withTrainer(SHORT, async (trainer) => {
      await trainer.restore(half.state);
      return await train(trainer, BATCHES.slice(stop));
    });
    assert.deepEqual(rest.state, whole.state);
    assert.deepEqual([...half.results, ...rest.results], whole.results);
  }
});

Deno.test({ name: "distillation gives the same sums in parts", ...GPU_TEST }, async () => {
  const whole = await wholeRun();
  const inParts = { ...SHORT, microBatch: 2 };
  const parts = await withTrainer(inParts, (trainer) => train(trainer, BATCHES.slice(0, 2)));
  for (const [i, { loss, gradNorm }] of parts.results.entries()) {
    const same = whole.results[i]!;
    assert.ok(Math.abs(loss - same.loss) < 1e-4 * same.loss);
    assert.ok(Math.abs(gradNorm - same.gradNorm) < 1e-3 * same.gradNorm);
  }
});

Deno.test(
  { name: "distillation brings the student nearer to the teacher", ...GPU_TEST },
  async () => {
    const distill = { steps: 2, teacherSteps: 2, flowShare: 0, ownContext: 0 };
    const settings = settingsOf(LONG, distill, { steps: 20, lr: 2e-3 });
    const batch = batchOf(settings, 1);
    const [before, after] = await withTrainer(settings, async (trainer) => {
      const first = await trainer.validate(batch, 7);
      await train(trainer, Array.from({ length: 20 }, () => batch));
      return [first, await trainer.validate(batch, 7)];
    });
    assert.ok(after! < 0.7 * before!, `${before} ${after}`);
  },
);

Deno.test(
  { name: "distillation trains adapters, and its teacher has none", ...GPU_TEST },
  async () => {
    const lora = { rank: 4, targets: ["to_q", "mlp.net.0.proj"] };
    const settings = settingsOf(LONG, { steps: 2 }, { lora, steps: 2 });
    const { state } = await withTrainer(settings, (trainer) => train(trainer, BATCHES.slice(0, 2)));
    const changed = [...state.expAvg.values()].some((moment) =>
      moment.some((value) => value !== 0)
    );
    assert.ok(changed);
  },
);

Deno.test("a plan of distillation counts the teacher's weights and steps", () => {
  const device = { cpu: true };
  const settings = settingsOf(LONG, { steps: 2, teacherSteps: 4 });
  const { distill: _, ...plain } = settings;
  const [with_, without] = [Trainer.plan(settings, device), Trainer.plan(plain, device)];
  assert.equal(with_.bytes.teacher, with_.bytes.weights);
  assert.equal(without.bytes.teacher, 0);
  assert.equal(with_.bytes.activations > without.bytes.activations, true);
  // a forward pass is a third of a training pass, but for what the last block leaves out; the
  // window's frames are there twice
  const { windowTokens, contextTokens } = layoutOf(settings, { videos: 1, frames: 4 });
  const twice = (6 * windowTokens + contextTokens) / (3 * windowTokens + contextTokens);
  const ratio = with_.flops / (without.flops * twice * 2 * (1 + 4 / 3));
  assert.ok(Math.abs(ratio - 1) < 0.02, `${ratio}`);
});

const REFUSED = [
  [{ steps: 0 }, /steps 0: a whole number/],
  [{ steps: 2, teacherSteps: 1.5 }, /teacherSteps 1.5: a whole number/],
  [{ steps: 2, flowShare: 1 }, /flowShare 1/],
  [{ steps: 2, ownContext: -0.1 }, /ownContext -0.1/],
  [{ steps: 2, guidance: 0.5 }, /guidance 0.5/],
  [{ steps: 2, guidance: 2 }, /guidance 2: the model has no condition to guide/],
  [{ steps: 2 }, /cleanContext 0.5: every frame sees clean ones/, { cleanContext: 0.5 }],
] as const;

for (const [distill, message, more] of REFUSED) {
  Deno.test(`distillation refuses ${JSON.stringify({ ...distill, ...more })}`, () => {
    const settings = settingsOf(configOf(false, undefined), distill, more);
    assert.throws(() => Trainer.plan(settings, { cpu: true }), { name: "RangeError", message });
  });
}
