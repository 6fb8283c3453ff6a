import assert from "node:assert/strict";
import type { Tensor } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { tensorKind } from "../../gpu/tuning.ts";
import { add } from "../../kernels/add.ts";
import { activation, activationBackward } from "../../kernels/activation.ts";
import { batchNorm, batchNormBackward } from "../../kernels/batch_norm.ts";
import { channelNormBackward } from "../../kernels/channel_norm_backward.ts";
import { channelShortcutBackward } from "../../kernels/channel_shortcut.ts";
import { addSums } from "../../kernels/column_sums.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { conv2dGradient } from "../../kernels/conv2d_gradient.ts";
import { depthwiseGluBackward } from "../../kernels/depthwise_glu_backward.ts";
import { linearAttention } from "../../kernels/linear_attention.ts";
import { linearAttentionBackward } from "../../kernels/linear_attention_backward.ts";
import type { NormSums } from "../../kernels/norm_sums.ts";
import { packedShape, packWeight } from "../../kernels/pack_weight.ts";
import { pixelShuffle } from "../../kernels/pixel_shuffle.ts";
import { pixelUnshuffle } from "../../kernels/pixel_unshuffle.ts";
import {
  shuffleShortcutBackward,
  unshuffleShortcutBackward,
} from "../../kernels/shortcut_backward.ts";
import { inKind } from "../../kernels/copy.ts";
import {
  batchNormTwin,
  batchStatistics,
  channelNormTwin,
  convTwin,
  depthwiseGluTwin,
  downShortcutTwin,
  reluAttentionTwin,
  upShortcutTwin,
} from "../reference/autoencoder_training.ts";
import { channelShortcutReference } from "../reference/channel_shortcut.ts";
import type { ConvSizes } from "../reference/conv2d.ts";
import { differences } from "../reference/training.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, type Input, runBy } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const BY = ["own kernels", "GPU kernels"];

/** sum of y dy: its gradients are those that dy leads to. */
function inner(y: ArrayLike<number>, dy: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < dy.length; i++) sum += y[i]! * dy[i]!;
  return sum;
}

/** [pixels, c] with zeros up to a multiple of 4 channels. */
function pad(x: Float32Array, c: number): Float32Array {
  const c4 = Math.ceil(c / 4) * 4;
  const y = new Float32Array(x.length / c * c4);
  x.forEach((value, i) => y[Math.floor(i / c) * c4 + i % c] = value);
  return y;
}

function unpad(x: Float32Array, c: number): number[] {
  const c4 = Math.ceil(c / 4) * 4;
  return [...x].filter((_, i) => i % c4 < c);
}

const CONVOLUTIONS: ConvSizes[] = [
  { b: 1, h: 1, w: 1, k: 4, n: 4, size: 3 },
  { b: 2, h: 3, w: 5, k: 3, n: 12, size: 3 },
  { b: 1, h: 7, w: 2, k: 36, n: 3, size: 3 },
  { b: 2, h: 3, w: 4, k: 68, n: 36, size: 1 },
  { b: 3, h: 4, w: 3, k: 12, n: 40, size: 3 },
  { b: 1, h: 5, w: 7, k: 8, n: 4, size: 3 },
  { b: 2, h: 3, w: 3, k: 16, n: 8, size: 1 },
];

for (const by of BY) {
  for (const sizes of CONVOLUTIONS) {
    const { b, h, w, k, n, size } = sizes;
    const name = `[${b}, ${h}, ${w}, ${k}] to ${n}, ${size} x ${size}, by ${by}`;
    Deno.test({ name: `conv2d has both gradients for ${name}`, ...GPU_TEST }, async () => {
      const pixels = b * h * w;
      const [x, dy] = [randomFloats(pixels * k, 1), randomFloats(pixels * n, 2)];
      const weight = randomFloats(n * k * size ** 2, 3);
      const [k4, n4] = [Math.ceil(k / 4) * 4, Math.ceil(n / 4) * 4];
      const [dx, dw] = await runBy(by, (p, input) => {
        const kind = tensorKind(p.device);
        const first = 8; // weights lie somewhere among others
        const source = input(
          [first + weight.length],
          Float32Array.of(...new Float32Array(first), ...weight),
        );
        const packed = p.memory.tensor("packed", packedShape(n4 * size ** 2, k), "f32", kind);
        const shape = [k, n * size ** 2] as const;
        const options = { dtype: "F32", shape, taps: size ** 2, first, transposed: true } as const;
        packWeight(p, source.buffer, packed, options);
        const tdy = inKind(p, input([b, h, w, n4], pad(dy, n)), kind);
        const dx = conv2d(p, { weight: packed, inputs: n4, outputs: k }, tdy);
        const dw = input([4 + weight.length], new Float32Array(4 + weight.length).fill(0.5));
        const tx = inKind(p, input([b, h, w, k4], pad(x, k)), kind);
        conv2dGradient(p, tx, tdy, { tensor: dw, first: 4 }, { n, inputs: k, size });
        return [inKind(p, dx, "storage"), dw];
      });
      const loss = (x: ArrayLike<number>, weight: ArrayLike<number>) =>
        inner(convTwin(x, weight, sizes), dy);
      const few = Math.min(x.length, 60);
      const slope = differences(
        x.subarray(0, few),
        (v) => loss([...v, ...x.subarray(few)], weight),
      );
      assertClose([...unpad(dx!, k).slice(0, few), 1], [...slope, 1], 1e-5, "dx");
      const some = Math.min(weight.length, 60);
      const head = differences(
        weight.subarray(0, some),
        (v) => loss(x, [...v, ...weight.subarray(some)]),
      );
      assertClose([...dw!.subarray(4, 4 + some)].map((v) => v - 0.5), head, 1e-5, "dw");
      const tail = differences(
        weight.subarray(-some),
        (v) => loss(x, [...weight.subarray(0, weight.length - some), ...v]),
      );
      assertClose([...dw!.subarray(-some)].map((v) => v - 0.5), tail, 1e-5, "dw");
    });
  }
}

Deno.test(
  { name: "conv2dGradient() takes channels of a joined layer, and many chunks", ...GPU_TEST },
  async () => {
    const sizes = { b: 2, h: 70, w: 3, k: 8, n: 8, size: 1 };
    const pixels = 420;
    const [x, dy] = [randomFloats(pixels * 8, 1), randomFloats(pixels * 24, 2)];
    for (const by of BY) {
      const [dw] = await runBy(by, (p, input) => {
        const kind = tensorKind(p.device);
        const target = { tensor: input([64], new Float32Array(64)), first: 0 };
        const [tx, tdy] = [input([2, 70, 3, 8], x), input([2, 70, 3, 24], dy)].map((tensor) =>
          inKind(p, tensor, kind)
        );
        conv2dGradient(p, tx!, tdy!, target, { n: 8, inputs: 8, size: 1, offset: 8 });
        return [target.tensor];
      });
      const part = [...dy].filter((_, i) => i % 24 >= 8 && i % 24 < 16);
      const weight = randomFloats(64, 3);
      const loss = (v: ArrayLike<number>) => inner(convTwin(x, v, sizes), part);
      assertClose(dw!, differences(weight, loss), 1e-5);
    }
  },
);

Deno.test({ name: "packWeight() joins transposed layers row by row", ...GPU_TEST }, async () => {
  const [a, b] = [randomFloats(4 * 8, 1), randomFloats(8 * 8, 2)]; // [n, k]: 4 and 8 outputs
  const dy = randomFloats(12, 3);
  const [dx] = await runBy("own kernels", (p, input) => {
    const kind = tensorKind(p.device);
    const packed = p.memory.tensor("packed", packedShape(12, 8), "f32", kind);
    for (const [data, row, n] of [[a, 0, 4], [b, 4, 8]] as const) {
      const options = { dtype: "F32", shape: [8, n], transposed: true, row } as const;
      packWeight(p, input([data.length], data).buffer, packed, options);
    }
    return [conv2d(p, { weight: packed, inputs: 12, outputs: 8 }, input([1, 1, 1, 12], dy))];
  });
  const joined = [...a, ...b];
  const expected = Array.from(
    { length: 8 },
    (_, k) => inner(dy.map((_, n) => joined[n * 8 + k]!), dy),
  );
  assertClose(dx!, expected, 1e-5);
});

Deno.test({ name: "activation() computes ReLU, add() adds", ...GPU_TEST }, async () => {
  const [x, dy] = [randomFloats(68, 1), randomFloats(68, 2)];
  x[3] = 0;
  const [y, dx, sum] = await runBy("own kernels", (p, input) => {
    const [tx, y, dx] = [input([68], x), p.scratch([68]), input([68], dy)];
    activation(p, "relu", { x: tx, y }, 68);
    activationBackward(p, "relu", { x: tx, dy: dx }, 68);
    const sum = p.scratch([68]);
    add(p, tx, y, sum);
    return [y, dx, sum];
  });
  assertClose(y!, x.map((v) => Math.max(0, v)), 0);
  assertClose(dx!, dy.map((v, i) => x[i]! > 0 ? v : 0), 0);
  assertClose(sum!, x.map((v) => v + Math.max(0, v)), 1e-7);
});

/** Both sums of a norm's gradients, as whole gradients. */
function gradients(p: Program, input: Input, sums: NormSums, c: number): [Tensor, Tensor] {
  const of = (partial: Tensor) => {
    const tensor = input([c], new Float32Array(c));
    addSums(p, partial, partial.shape as [number, number], { tensor, first: 0 });
    return tensor;
  };
  return [of(sums.weight), of(sums.bias)];
}

for (const [pixels, c] of [[1, 4], [6, 12], [130, 36]] as const) {
  Deno.test(
    { name: `channelNorm() has its gradients for [${pixels}, ${c}]`, ...GPU_TEST },
    async () => {
      const [x, dy] = [randomFloats(pixels * c, 1), randomFloats(pixels * c, 2)];
      const [weight, bias] = [randomFloats(c, 3), randomFloats(c, 4)];
      for (const by of BY) {
        const [dx, dw, db] = await runBy(by, (p, input) => {
          const shape = [1, pixels, 1, c];
          const [tx, tdy, dx] = [input(shape, x), input(shape, dy), p.scratch(shape)];
          const w = { weight: input([c], weight) };
          const sums = channelNormBackward(p, w, { x: tx, dy: tdy, dx });
          return [dx, ...gradients(p, input, sums, c)];
        });
        const loss = (x: ArrayLike<number>, w: ArrayLike<number>, b: ArrayLike<number>) =>
          inner(channelNormTwin(x, w, b), dy);
        const some = x.subarray(0, 3 * c);
        const expected = differences(
          some,
          (v) => loss([...v, ...x.subarray(some.length)], weight, bias),
        );
        assertClose(dx!.subarray(0, some.length), expected, 2e-5, "dx");
        assertClose(
          dw!,
          differences(weight, (v) => loss(x, v, bias)),
          1e-5,
          "dw",
        );
        assertClose(db!, differences(bias, (v) => loss(x, weight, v)), 1e-5, "db");
      }
    },
  );
}

for (const [pixels, c, offset] of [[2, 4, 0], [6, 12, 3], [130, 36, -100]] as const) {
  const name = `batchNorm() and its gradients for [${pixels}, ${c}] around ${offset}`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const x = randomFloats(pixels * c, 1).map((v) => v + offset);
    const [dy, residual] = [randomFloats(pixels * c, 2), randomFloats(pixels * c, 5)];
    const [weight, bias] = [randomFloats(c, 3), randomFloats(c, 4)];
    const [y, mean, variance, dx, dw, db, still] = await runBy("own kernels", (p, input) => {
      const shape = [1, pixels, 1, c];
      const [tx, tdy, y, dx] = [
        input(shape, x),
        input(shape, dy),
        p.scratch(shape),
        p.scratch(shape),
      ];
      const w = {
        weight: input([c], weight),
        bias: input([c], bias),
        runningMean: input([c], new Float32Array(c).fill(1)),
        runningVar: input([c], new Float32Array(c).fill(2)),
      };
      const tresidual = input(shape, residual);
      const stats = batchNorm(p, w, { x: tx, residual: tresidual, y }, "training");
      const sums = batchNormBackward(p, w, { x: tx, dy: tdy, dx, stats });
      const fixed = {
        ...w,
        runningMean: input([c], new Float32Array(c).fill(offset)),
        runningVar: input([c], new Float32Array(c).fill(4)),
      };
      const still = p.scratch(shape);
      batchNorm(p, fixed, { x: tx, residual: tresidual, y: still }, "running");
      return [y, w.runningMean, w.runningVar, dx, ...gradients(p, input, sums, c), still];
    });
    const expected = batchNormTwin(x, weight, bias).map((v, i) => v + residual[i]!);
    // values of about 100 have larger absolute errors
    const tolerance = offset === -100 ? 1e-4 : 2e-5;
    assertClose(y!, expected, tolerance, "y");
    const statistics = batchStatistics(x, c);
    assertClose(mean!, statistics.mean.map((v) => 0.9 + 0.1 * v), 1e-6, "mean");
    const unbiased = statistics.variance.map((v) => 1.8 + 0.1 * v * pixels / (pixels - 1));
    assertClose(variance!, unbiased, 1e-6, "variance");
    const loss = (x: ArrayLike<number>, w: ArrayLike<number>, b: ArrayLike<number>) =>
      inner(batchNormTwin(x, w, b), dy);
    const some = x.subarray(0, c);
    const slope = differences(some, (v) => loss([...v, ...x.subarray(some.length)], weight, bias));
    const scale = pixels === 2 ? Math.max(...dw!.map(Math.abs)) : 0; // of two pixels dx is almost 0
    assertClose([...dx!.subarray(0, c), scale], [...slope, scale], tolerance, "dx");
    assertClose(dw!, differences(weight, (v) => loss(x, v, bias)), tolerance, "dw");
    assertClose(db!, differences(bias, (v) => loss(x, weight, v)), 1e-5, "db");
    const plain = x.map((v, i) =>
      (v - offset) / Math.sqrt(4 + 1e-5) * weight[i % c]! + bias[i % c]! + residual[i]!
    );
    assertClose(still!, plain, 1e-5, "with running statistics");
  });
}

for (const [b, h, w, groups, dim] of [[1, 1, 1, 1, 4], [2, 1, 3, 2, 4], [2, 3, 5, 1, 8]] as const) {
  const name = `linearAttention() has its gradients for [${b}, ${h}, ${w}, ${groups} x 3 x ${dim}]`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const [rows, c] = [b * h * w, groups * dim];
    const [qkv, dy] = [randomFloats(rows * 3 * c, 1), randomFloats(rows * c, 2)];
    const [dqkv] = await runBy("own kernels", (p, input) => {
      const [tqkv, dqkv] = [input([b, h, w, 3 * c], qkv), p.scratch([b, h, w, 3 * c])];
      const y = linearAttention(p, tqkv, dim);
      linearAttentionBackward(p, { qkv: tqkv, y, dy: input([b, h, w, c], dy), dqkv }, dim);
      return [dqkv];
    });
    const twin = (v: ArrayLike<number>) => reluAttentionTwin(v, [b, h * w, groups, dim]);
    assertClose(dqkv!, differences(qkv, (v) => inner(twin(v), dy), 1e-6), 2e-5);
  });
}

Deno.test(
  { name: "attention gives zeros to a token that sees no key", ...GPU_TEST },
  async () => {
    const qkv = randomFloats(5 * 12, 1);
    qkv.fill(-1, 12, 16); // no positive query
    const [dqkv] = await runBy("own kernels", (p, input) => {
      const [tqkv, dqkv] = [input([1, 1, 5, 12], qkv), p.scratch([1, 1, 5, 12])];
      const y = linearAttention(p, tqkv, 4);
      const dy = input([1, 1, 5, 4], randomFloats(20, 2));
      linearAttentionBackward(p, { qkv: tqkv, y, dy, dqkv }, 4);
      return [dqkv];
    });
    assertClose(dqkv!.subarray(12, 16), [0, 0, 0, 0], 0);
    assertClose([Number(dqkv!.every(Number.isFinite))], [1], 0);
  },
);

for (
  const sizes of [[1, 1, 1, 8], [2, 3, 2, 8], [1, 4, 5, 72], [2, 1, 4, 8], [1, 2, 7, 8]] as const
) {
  const [b, h, w, both] = sizes;
  Deno.test({ name: `depthwiseGlu() has its gradients for [${sizes}]`, ...GPU_TEST }, async () => {
    const pixels = b * h * w;
    const [x, dy] = [randomFloats(pixels * both, 1), randomFloats(pixels * both / 2, 2)];
    const [weight, bias] = [randomFloats(both * 9, 3), randomFloats(both, 4)];
    const [y, dx, dw, db, again] = await runBy("own kernels", (p, input) => {
      const packed = p.memory.tensor("packed", [12, both]);
      const shape = [both, 9] as const;
      packWeight(p, input([both * 9], weight).buffer, packed, { dtype: "F32", shape });
      const target = (count: number) => ({
        tensor: input([count], new Float32Array(count)),
        first: 0,
      });
      const targets = { weight: target(both * 9), bias: target(both) };
      const [y, dx] = [p.scratch([b, h, w, both / 2]), p.scratch([...sizes])];
      const tensors = { x: input([...sizes], x), dy: input([b, h, w, both / 2], dy), y, dx };
      const weights = { weight: packed, bias: input([both], bias) };
      depthwiseGluBackward(p, weights, tensors, targets);
      const other = { ...tensors, y: undefined, dx: p.scratch([...sizes]) };
      depthwiseGluBackward(p, weights, other, { weight: undefined, bias: undefined });
      return [y, dx, targets.weight.tensor, targets.bias.tensor, other.dx];
    });
    const twin = (x: ArrayLike<number>, w: ArrayLike<number>, b: ArrayLike<number>) =>
      depthwiseGluTwin(x, w, b, sizes);
    const loss = (x: ArrayLike<number>, w: ArrayLike<number>, b: ArrayLike<number>) =>
      inner(twin(x, w, b), dy);
    assertClose(y!, twin(x, weight, bias), 1e-5, "y");
    assert.deepEqual(again, dx);
    const [some, taps] = [x.subarray(0, 80), weight.subarray(-160)];
    const rest = x.subarray(80);
    const slope = differences(some, (v) => loss([...v, ...rest], weight, bias));
    assertClose(dx!.subarray(0, 80), slope, 1e-5, "dx");
    const before = weight.subarray(0, weight.length - taps.length);
    const expected = differences(taps, (v) => loss(x, [...before, ...v], bias));
    assertClose(dw!.subarray(before.length), expected, 1e-5, "dw");
    assertClose(db!, differences(bias, (v) => loss(x, weight, v)), 1e-5, "db");
  });
}

/** Coarse and fine channels; every size is an edge case. */
const SHORTCUTS = [[4, 4], [16, 4], [8, 8], [8, 16], [4, 12]] as const;

for (const [coarse, fine] of SHORTCUTS) {
  const name = `shortcuts lead back between ${coarse} coarse and ${fine} fine channels`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const [b, h, w] = [2, 2, 3]; // of the coarse image
    const small = randomFloats(b * h * w * coarse, 1);
    const large = randomFloats(4 * b * h * w * fine, 2);
    const shapes = [[b, h, w, coarse], [b, 2 * h, 2 * w, fine]] as const;
    const [up, down, dcoarse, dfine] = await runBy("own kernels", (p, input) => {
      const [ts, tl] = [input([...shapes[0]], small), input([...shapes[1]], large)];
      const zero = (shape: readonly number[], value: number) => {
        const count = shape.reduce((a, b) => a * b);
        return input([...shape], new Float32Array(count).fill(value));
      };
      const up = pixelShuffle(p, zero([b, h, w, 4 * fine], 0), ts);
      const down = pixelUnshuffle(
        p,
        zero([b, 2 * h, 2 * w, Math.ceil(coarse / 16) * 4], 0),
        coarse,
        tl,
      );
      const [dcoarse, dfine] = [zero(shapes[0], 0.25), zero(shapes[1], 0.25)];
      shuffleShortcutBackward(p, tl, dcoarse);
      unshuffleShortcutBackward(p, ts, dfine);
      return [up, down, dcoarse, dfine];
    });
    const twinUp = (v: ArrayLike<number>) => upShortcutTwin(v, shapes[0], fine);
    const twinDown = (v: ArrayLike<number>) => downShortcutTwin(v, shapes[1], coarse);
    assertClose(up!, twinUp(small), 1e-6, "up");
    assertClose(down!, twinDown(large), 1e-6, "down");
    const led = (dx: Float32Array) => [...dx].map((v) => v - 0.25);
    assertClose(led(dcoarse!), differences(small, (v) => inner(twinUp(v), large)), 1e-5);
    assertClose(led(dfine!), differences(large, (v) => inner(twinDown(v), small)), 1e-5);
  });
}

for (const [from, to] of [[8, 8], [24, 4], [4, 16]] as const) {
  Deno.test(
    { name: `channelShortcut() leads back from ${to} to ${from}`, ...GPU_TEST },
    async () => {
      const [x, dy] = [randomFloats(6 * from, 1), randomFloats(6 * to, 2)];
      const [dx] = await runBy("own kernels", (p, input) => {
        const dx = input([1, 2, 3, from], new Float32Array(6 * from));
        channelShortcutBackward(p, input([1, 2, 3, to], dy), dx);
        return [dx];
      });
      const loss = (v: number[]) =>
        inner(channelShortcutReference(Float32Array.from(v), from, to), dy);
      assertClose(dx!, differences(x, loss, 0.25), 1e-5); // linear: any step does
    },
  );
}
