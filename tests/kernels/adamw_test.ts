import assert from "node:assert/strict";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { adamw, ADAMW_STEP_BYTES, packAdamwStep } from "../../kernels/adamw.ts";
import { squaresScratch, sumOfSquares } from "../../kernels/total.ts";
import { openGolden } from "../support/far.ts";
import { GPU_TEST, testGpu, upload } from "../support/gpu.ts";

/** Distance in units of the last place of the larger one. */
function ulps(a: number, b: number): number {
  const scale = Math.max(Math.abs(a), Math.abs(b), 2 ** -126);
  return Math.abs(a - b) / 2 ** (Math.floor(Math.log2(scale)) - 23);
}

for (const from of ["buffers", "images"] as const) {
  const name = `adamw() from ${from}, and the average, equal PyTorch's to an ulp`;
  Deno.test({ name, ...GPU_TEST }, () => followPyTorch(from));
}

async function followPyTorch(from: "buffers" | "images"): Promise<void> {
  const gpu = await testGpu();
  const golden = await openGolden("train/adamw.safetensors");
  const count = golden.shape("weight0")[0]!;
  const memory = new Memory();
  const start = await golden.floats("weight0");
  const made = (data: Float32Array) => upload(gpu, memory, [data.length], data);
  const [weight, shadow] = [made(start), made(start)];
  const [moment, square, gradient] = [1, 2, 3].map(() => made(new Float32Array(count))) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const results = made(new Float32Array(4));
  const step = memory.buffer("step", ADAMW_STEP_BYTES, "uniform");
  const program = new Program("test", memory, gpu.adapter);
  const partial = memory.tensor("partial", [squaresScratch([gradient])]);
  const image = (name: string) => memory.tensor(`${name} image`, [count], "f32", "texture");
  const images = from === "images"
    ? {
      gradient: image("gradient"),
      weight: image("weight"),
      moment: image("moment"),
      square: image("square"),
      shadow: image("shadow"),
    }
    : undefined;
  sumOfSquares(program, [gradient], partial, { results, slot: 1 }, images?.gradient);
  adamw(program, { gradient, weight, moment, square, shadow }, { results, step }, images);
  program.finish();
  memory.allocate(gpu);
  for (let k = 1; k <= 4; k++) {
    gpu.write(gradient.buffer, 0, await golden.floats(`gradient${k}`));
    gpu.write(results.buffer, 0, new Float32Array(4));
    const recipe = {
      lr: 3e-3,
      betas: [0.9, 0.999],
      weightDecay: 0.05,
      eps: 1e-8,
      clip: 1,
    } as const;
    gpu.write(step, 0, packAdamwStep({ ...recipe, step: k, ema: 0.99, lossScale: 1 }));
    gpu.run(program);
    assert.ok(
      ulps(Math.sqrt((await gpu.readFloats(results))[1]!), (await golden.floats(`norm${k}`))[0]!) <=
        2,
    );
    assert.ok((await gpu.readFloats(gradient)).every((value) => value === 0));
    for (const [name, tensor, most] of [["weight", weight, 1], ["ema", shadow, 1]] as const) {
      const [actual, expected] = [await gpu.readFloats(tensor), await golden.floats(`${name}${k}`)];
      const worst = Math.max(...expected.map((value, i) => ulps(actual[i]!, value)));
      assert.ok(worst <= most, `${name} after step ${k}: ${worst} ulp`);
    }
  }
  golden.close();
  memory.free(gpu);
}
