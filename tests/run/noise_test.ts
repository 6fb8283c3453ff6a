import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Mt19937 } from "../../run/mt19937.ts";
import { CpuGenerator, type CudaDevice, CudaGenerator } from "../../run/noise.ts";
import { Philox4x32 } from "../../run/philox.ts";
import { readFloats, SafetensorsFile } from "../../weights/safetensors.ts";

const goldens = (name: string) =>
  fileURLToPath(new URL(`../fixtures/goldens/${name}`, import.meta.url));

/** One multiprocessor of one block: thread t draws elements t, t + 256, t + 512, ... */
const ONE_BLOCK = { multiprocessors: 1, threadsPerMultiprocessor: 256 };

const torchRandn = (seed: bigint | number, count: number) => new CpuGenerator(seed).randn(count);

function cudaRandn(seed: bigint | number, count: number, device?: CudaDevice) {
  return new CudaGenerator(seed, device).randn(count);
}

function draws(generator: CpuGenerator | CudaGenerator, counts: number[]): number[] {
  return counts.flatMap((count) => Array.from(generator.randn(count)));
}

Deno.test("Mt19937 gives the published numbers for seed 5489", () => {
  const bits = new Mt19937(5489);
  assert.equal(bits.next() >>> 0, 3499211612);
  for (let i = 2; i < 10000; i++) bits.next();
  assert.equal(bits.next() >>> 0, 4123659995);
});

Deno.test("Philox4x32 gives the known answers of Random123", () => {
  const block = (key: [number, number], counter: [number, number, number, number]) => {
    const out = new Uint32Array(4);
    new Philox4x32(...key).block(...counter, out);
    return Array.from(out, (word) => word.toString(16).padStart(8, "0")).join(" ");
  };
  assert.equal(block([0, 0], [0, 0, 0, 0]), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  assert.equal(block([-1, -1], [-1, -1, -1, -1]), "408f276d 41c83b0e a20bc7c6 6d5451fd");
  assert.equal(
    block([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

Deno.test("torchRandn() equals torch.randn bit for bit for every golden seed and count", async () => {
  const file = await SafetensorsFile.open(goldens("torch_cpu_randn.safetensors"));
  let singles = 0;
  for (const name of file.tensors.keys()) {
    const [, seed, count] = /^seed(\d+)\.n(\d+)$/.exec(name) ?? [];
    if (seed === undefined) continue;
    const expected = await readFloats(file, name);
    assert.deepEqual(torchRandn(BigInt(seed), Number(count)), expected, name);
    singles++;
  }
  file.close();
  assert.equal(singles, 32);
});

Deno.test("CpuGenerator continues from draw to draw as torch does", async () => {
  const file = await SafetensorsFile.open(goldens("torch_cpu_randn.safetensors"));
  let sequences = 0;
  for (const name of file.tensors.keys()) {
    const [, seed, counts] = /^seed(\d+)\.sequence_(.+)$/.exec(name) ?? [];
    if (seed === undefined) continue;
    const generator = new CpuGenerator(BigInt(seed));
    const drawn = draws(generator, counts!.split("_").map(Number));
    assert.deepEqual(drawn, Array.from(await readFloats(file, name)), name);
    sequences++;
  }
  file.close();
  assert.equal(sequences, 4);
});

for (
  const path of [
    "far-uncond/generate.safetensors",
    "far-uncond/predict.safetensors",
    "far-label-flexrope/generate.safetensors",
  ]
) {
  Deno.test(`torchRandn() equals the noise of ${path} from its seed`, async () => {
    const file = await SafetensorsFile.open(goldens(path));
    const expected = await readFloats(file, "noise");
    const seed = file.metadata.get("noise_seed");
    file.close();
    assert.ok(seed !== undefined, `${path} has no noise_seed`);
    assert.deepEqual(torchRandn(BigInt(seed), expected.length), expected);
  });
}

Deno.test("torchRandn() takes the low 32 bits of a seed, negative ones wrapped", () => {
  const expected = torchRandn(5, 20);
  assert.deepEqual(torchRandn(2n ** 40n + 5n, 20), expected);
  assert.deepEqual(torchRandn(5n - 2n ** 63n, 20), expected);
  assert.deepEqual(torchRandn(-1, 20), torchRandn(2n ** 64n - 1n, 20));
  assert.notDeepEqual(torchRandn(6, 20), expected);
});

Deno.test("torchRandn() draws numbers of mean 0 and variance 1", () => {
  const drawn = torchRandn(11, 100_000);
  const mean = drawn.reduce((sum, x) => sum + x, 0) / drawn.length;
  const variance = drawn.reduce((sum, x) => sum + (x - mean) ** 2, 0) / drawn.length;
  // Six standard errors of each at this count.
  assert.ok(Math.abs(mean) < 6 / Math.sqrt(drawn.length), `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 6 * Math.sqrt(2 / drawn.length), `variance ${variance}`);
});

Deno.test("cudaRandn() equals torch.randn on CUDA to 1e-6", () => {
  const { seed, values } = JSON.parse(readFileSync(goldens("torch_cuda_randn.json"), "utf8"));
  const drawn = cudaRandn(seed, values.length);
  for (const [i, value] of (values as number[]).entries()) {
    assert.ok(Math.abs(drawn[i]! - value) <= 1e-6, `number ${i}: ${drawn[i]} for ${value}`);
  }
});

Deno.test("cudaRandn() gives thread t the elements t, t + threads, ... four per block of bits", () => {
  const count = 5 * 256 + 3;
  const drawn = cudaRandn(2n ** 33n + 9n, count, ONE_BLOCK);
  const words = new Uint32Array(4);
  for (let i = 0; i < count; i++) {
    const round = Math.floor(i / 256);
    new Philox4x32(9, 2).block(Math.floor(round / 4), 0, i % 256, 0, words);
    const pair = round % 4 < 2 ? 0 : 2;
    const radius = Math.sqrt(-2 * Math.log((words[pair]! + 0.5) / 2 ** 32));
    const angle = 2 * Math.PI * (words[pair + 1]! + 0.5) / 2 ** 32;
    const expected = radius * (round % 2 === 0 ? Math.sin(angle) : Math.cos(angle));
    assert.ok(Math.abs(drawn[i]! - expected) < 3e-6, `number ${i}: ${drawn[i]} for ${expected}`);
  }
});

Deno.test("cudaRandn() depends on the device only beyond its resident threads", () => {
  const two = { multiprocessors: 2, threadsPerMultiprocessor: 256 };
  assert.deepEqual(cudaRandn(1, 256, ONE_BLOCK), cudaRandn(1, 256, two));
  assert.notDeepEqual(cudaRandn(1, 512, ONE_BLOCK), cudaRandn(1, 512, two));
  // 1535 threads per multiprocessor hold five blocks of 256, not six.
  const odd = { multiprocessors: 1, threadsPerMultiprocessor: 1535 };
  const five = { multiprocessors: 5, threadsPerMultiprocessor: 256 };
  assert.deepEqual(cudaRandn(1, 3000, odd), cudaRandn(1, 3000, five));
});

Deno.test("CudaGenerator moves every thread on by the blocks a draw has used", () => {
  const generator = new CudaGenerator(3, ONE_BLOCK);
  generator.randn(1025); // two blocks of bits
  const second = generator.randn(256);
  const words = new Uint32Array(4);
  new Philox4x32(3, 0).block(2, 0, 17, 0, words);
  const radius = Math.sqrt(-2 * Math.log((words[0]! + 0.5) / 2 ** 32));
  const expected = radius * Math.sin(2 * Math.PI * (words[1]! + 0.5) / 2 ** 32);
  assert.ok(Math.abs(second[17]! - expected) < 3e-6);
});

Deno.test("torchRandn() and cudaRandn() of nothing are empty", () => {
  assert.equal(torchRandn(0, 0).length, 0);
  assert.equal(cudaRandn(0, 0).length, 0);
});

Deno.test("torchRandn() and cudaRandn() refuse seeds and counts out of range", () => {
  for (const randn of [torchRandn, cudaRandn]) {
    for (const seed of [1.5, NaN, 2 ** 53, 2n ** 64n, -(2n ** 63n) - 1n]) {
      assert.throws(() => randn(seed, 1), { name: "RangeError", message: /^Cannot seed with/ });
    }
    for (const count of [-1, 1.5, NaN]) {
      assert.throws(() => randn(0, count), {
        name: "RangeError",
        message: `Cannot draw ${count} numbers: the count must be a whole number >= 0`,
      });
    }
  }
  assert.throws(() => cudaRandn(0, 2 ** 29), RangeError);
});
