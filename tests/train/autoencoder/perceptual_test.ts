import assert from "node:assert/strict";
import { Memory } from "../../../gpu/memory.ts";
import { inKind } from "../../../kernels/copy.ts";
import { tensorKind } from "../../../gpu/tuning.ts";
import { Program } from "../../../gpu/program.ts";
import { parseAutoencoderConfig } from "../../../model/autoencoder_config.ts";
import { PackedWeights } from "../../../train/autoencoder/layers.ts";
import { PERCEPTUAL_PARAMETERS, PerceptualLoss } from "../../../train/autoencoder/perceptual.ts";
import { AUTOENCODER_SETTINGS, type LossWeights } from "../../../train/autoencoder/settings.ts";
import { AutoencoderTrainer } from "../../../train/autoencoder/trainer.ts";
import { ParameterStore } from "../../../train/parameters.ts";
import { randomNetwork } from "../../support/lpips_network.ts";
import { assertClose } from "../../support/close.ts";
import { GPU_TEST, testGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";
import { TINY_AUTOENCODER } from "../../support/tiny_autoencoder.ts";

/**
 * lpips 0.1.4 in float64 with the same random VGG16: the distance of two random pictures, and every
 * so many entries of its gradient by the second one, whose largest entry and norm follow.
 */
const REFERENCE = [
  {
    ...{ width: 32, height: 32, near: 1, distance: 0.6534750617571622 },
    ...{ largest: 0.002542703878952879, norm: 0.026072983750857842, stride: 128 },
    // deno-fmt-ignore
    gradient: [9.236121e-05, -0.0001200841, -0.0004551062, 0.0003315805, 0.0003705664, 8.336636e-05, -0.0005615166, -0.0001976387, -4.318113e-05, 0.0004129763, -0.0003532796, -1.66631e-05, -0.0002526044, -0.0004130153, 0.0003168372, -0.0002186562, -6.711164e-05, 0.0004732641, -0.0002639724, -0.0006267715, -0.0005429983, -0.0001464869, -0.0006796712, 0.0005388935],
  },
  {
    ...{ width: 35, height: 19, near: 0.1, distance: 0.014268607931632796 },
    ...{ largest: 0.0016128033612628774, norm: 0.015546456157659821, stride: 84 },
    // deno-fmt-ignore
    gradient: [0.0001255137, 0.0002768662, 0.0002483779, -8.28325e-05, -0.0005761575, -1.902549e-05, -0.0004549687, 2.562611e-05, 0.0002966282, -0.0002259832, 0.0002440046, 0.0002989702, -0.0003290761, 8.191182e-05, 0.0001118701, 8.715373e-06, -0.0003208811, 0.0002993488, 0.0002490608, -3.63202e-05, 0.0003826518, -7.951655e-05, 0.0002819347, 0.0001609983],
  },
] as const;

const network = randomNetwork("vgg");

/** Planar [3, H, W] as [1, H, W, 4]. */
function lastChannels(picture: Float32Array, pixels: number): Float32Array {
  return Float32Array.from(
    { length: 4 * pixels },
    (_, i) => i % 4 < 3 ? picture[i % 4 * pixels + Math.floor(i / 4)]! : 0,
  );
}

for (const { width, height, near, ...expected } of REFERENCE) {
  Deno.test(
    { name: `PerceptualLoss is lpips 0.1.4 with its gradient: ${width}x${height}`, ...GPU_TEST },
    async () => {
      const gpu = await testGpu();
      const memory = new Memory();
      const loss = new PerceptualLoss(memory, network);
      const program = new Program("perceptual", memory, gpu.adapter);
      const pixels = width * height;
      const shape = [1, height, width, 4];
      const [x, y, dy] = ["x", "y", "dy"].map((name) => memory.tensor(name, shape));
      const results = memory.tensor("results", [4]);
      const packed = new PackedWeights(memory, gpu.adapter, PERCEPTUAL_PARAMETERS);
      const store = new ParameterStore(memory, [], { isTrained: () => false, ema: false });
      const tape = {
        program,
        store,
        packed,
        known: new Set<string>(),
        copied: {},
        training: true,
        recompute: false,
      };
      program.scope(() => {
        const kind = tensorKind(gpu.adapter);
        const tensors = { x: inKind(program, x!, kind), y: inKind(program, y!, kind), dy: dy! };
        loss.record(tape, tensors, { weight: 2, pictures: 1 }, { results, slot: 1 });
      });
      program.finish();
      memory.allocate(gpu);
      try {
        await loss.fill(gpu);
        const [a, b] = [11, 12].map((seed) => randomFloats(3 * pixels, seed));
        const c = a!.map((value, i) => (1 - near) * value + near * b![i]!);
        gpu.write(x!.buffer, 0, lastChannels(a!, pixels));
        gpu.write(y!.buffer, 0, lastChannels(c, pixels));
        gpu.write(dy!.buffer, 0, new Float32Array(4 * pixels).fill(1)); // it is added to
        gpu.write(results.buffer, 0, new Float32Array(4));
        gpu.run(program);
        const distance = (await gpu.readFloats(results))[1]! / 2;
        assert.ok(Math.abs(distance / expected.distance - 1) < 1e-5, `${distance}`);
        const slope = (await gpu.readFloats(dy!)).map((value) => (value - 1) / 2);
        assert.ok(slope.every((value, i) => i % 4 < 3 || value === 0), "the fourth channel");
        const planar = Float32Array.from(
          { length: 3 * pixels },
          (_, i) => slope[i % pixels * 4 + Math.floor(i / pixels)]!,
        );
        const picked = planar.filter((_, i) => i % expected.stride === 0);
        const { largest, gradient } = expected;
        assertClose([...picked, largest], [...gradient, largest], 1e-4, "gradient");
        assertClose([Math.hypot(...planar)], [expected.norm], 1e-4, "norm");
      } finally {
        memory.free(gpu);
      }
    },
  );
}

Deno.test({ name: "AutoencoderTrainer adds LPIPS to its loss", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const sizes = { height: 16, width: 16, batch: 1, frames: 1, steps: 1 };
  const settings = {
    ...{ ...AUTOENCODER_SETTINGS, ...sizes, config: TINY_AUTOENCODER, perceptual: network },
    sizes: parseAutoencoderConfig(TINY_AUTOENCODER),
  };
  const latents = randomFloats(3 * 256, 1).map((value) => (value + 1) / 2);
  const batch = { videos: 1, frames: 1, latents };
  const of = async (weights: Partial<LossWeights>) => {
    const loss = { l1: 0, mse: 0, edges: 0, structure: 0, lpips: 0, ...weights };
    const trainer = await AutoencoderTrainer.open(gpu, { ...settings, loss }, "init");
    try {
      return await trainer.gradients(batch);
    } finally {
      trainer.close();
    }
  };
  const [plain, looks, both] = [
    await of({ l1: 1 }),
    await of({ lpips: 2 }),
    await of({ l1: 1, lpips: 2 }),
  ];
  assert.ok(looks.loss > 0.01);
  assert.ok(Math.abs(both.loss / (plain.loss + looks.loss) - 1) < 1e-6);
  for (const [name, gradient] of both.gradients) {
    const sum = gradient.map((_, i) =>
      plain.gradients.get(name)![i]! + looks.gradients.get(name)![i]!
    );
    assertClose(gradient, sum, 1e-4, name);
  }
});
