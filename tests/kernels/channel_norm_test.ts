import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { channelNorm } from "../../kernels/channel_norm.ts";
import { channelNormReference } from "../reference/channel_norm.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce, testGpu, upload } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

for (const [pixels, c] of [[1, 4], [7, 20], [64, 32], [5, 516]] as const) {
  Deno.test(
    { name: `channelNorm() matches the reference for ${pixels} pixels of ${c}`, ...GPU_TEST },
    async () => {
      const x = randomFloats(pixels * c, 1, 3);
      const [weight, bias] = [randomFloats(c, 2), randomFloats(c, 3)];
      const y = await runOnce((p, input) => {
        const w = { weight: input([c], weight), bias: input([c], bias) };
        return channelNorm(p, w, input([1, 1, pixels, c], x));
      });
      assertClose(y, channelNormReference(x, weight, bias, c), 1e-5);
    },
  );
}

Deno.test(
  { name: "channelNorm() applies ReLU and then adds to a tensor", ...GPU_TEST },
  async () => {
    const [x, residual] = [randomFloats(48, 1), randomFloats(48, 2)];
    const [weight, bias] = [randomFloats(8, 3), randomFloats(8, 4)];
    const y = await runOnce((p, input) => {
      const w = { weight: input([8], weight), bias: input([8], bias) };
      const options = { into: input([2, 3, 1, 8], residual), activation: "relu" } as const;
      return channelNorm(p, w, input([2, 3, 1, 8], x), options);
    });
    const expected = channelNormReference(x, weight, bias, 8)
      .map((v, i) => Math.max(0, v) + residual[i]!);
    assertClose(y, expected, 1e-5);
  },
);

Deno.test({
  name: "channelNorm() adds to each pixel once where the grid has workgroups left over",
  ...GPU_TEST,
}, async () => {
  const pixels = 32769; // one more than a row of the grid
  const [x, residual] = [randomFloats(4 * pixels, 1), randomFloats(4 * pixels, 2)];
  const [weight, bias] = [randomFloats(4, 3), randomFloats(4, 4)];
  const y = await runOnce((p, input) => {
    const w = { weight: input([4], weight), bias: input([4], bias) };
    const into = input([1, 1, pixels, 4], residual);
    return channelNorm(p, w, input([1, 1, pixels, 4], x), { into });
  });
  const expected = channelNormReference(x, weight, bias, 4).map((v, i) => v + residual[i]!);
  assertClose(y, expected, 1e-5);
});

Deno.test({ name: "channelNorm() is the same with wider workgroups", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const memory = new Memory();
  const x = randomFloats(9 * 36, 1);
  const [weight, bias] = [randomFloats(36, 2), randomFloats(36, 3)];
  const p = new Program("test", memory, { cpu: false });
  const w = {
    weight: upload(gpu, memory, [36], weight),
    bias: upload(gpu, memory, [36], bias),
  };
  try {
    let y!: Tensor;
    p.scope(() => {
      y = channelNorm(p, w, upload(gpu, memory, [1, 3, 3, 36], x));
    });
    p.finish();
    memory.allocate(gpu);
    gpu.run(p);
    assertClose(await gpu.readFloats(y), channelNormReference(x, weight, bias, 36), 1e-5);
  } finally {
    memory.free(gpu);
  }
});

Deno.test("channelNorm() refuses channels that are not whole vectors", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const w = { weight: memory.tensor("w", [8]), bias: memory.tensor("b", [8]) };
  assert.throws(() => channelNorm(p, w, memory.tensor("x", [1, 1, 2, 6])), ShapeError);
});
