import assert from "node:assert/strict";
import { measureTrainStep, trainCaseSettings } from "../../bench/train_step.ts";
import { GpuTimer } from "../../gpu/timing.ts";
import { parseTransformerConfig } from "../../model/config.ts";
import { planTraining } from "../../train/plan.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { TOY_CONFIG } from "../train/toy_world.ts";

const CONFIG = parseTransformerConfig(TOY_CONFIG);
const CASE = { videos: 2, frames: 3, height: 3, width: 3 };

Deno.test("planTraining() counts the products of a training step", () => {
  const { plan } = planTraining(trainCaseSettings(CONFIG, CASE), { cpu: true }, {});
  const [d, tokens, frames] = [64, 2 * 3 * 9, 2 * 3];
  // forward, gradients of weights and of inputs; the layers that patches and timesteps enter by
  // need none of their inputs
  const blocks = 3 * (2 * tokens * 12 * d * d + 2 * frames * 6 * d * d);
  const head = 3 * (2 * tokens * 32 * d + 2 * frames * 2 * d * d);
  const embedders = 2 * (2 * tokens * 32 * d + 2 * frames * 256 * d) + 3 * 2 * frames * d * d;
  const pairs = 2 * 9 * 9 * (1 + 2 + 3);
  assert.equal(plan.flops, blocks + head + embedders + 18 * 64 * pairs);
});

Deno.test(
  { name: "measureTrainStep() takes the memory that was planned", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const timer = await GpuTimer.open(gpu);
    const before = gpu.allocatedBytes;
    const result = await measureTrainStep(gpu, timer, CONFIG, CASE, { runs: 1, seconds: 0 });
    timer.close();
    assert.equal(result.allocated, result.plan.bytes.total);
    assert.ok(result.seconds.wall.median > 0);
    assert.equal(gpu.allocatedBytes, before);
  },
);
