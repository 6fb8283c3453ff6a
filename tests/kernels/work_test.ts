import assert from "node:assert/strict";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import type { DeviceProfile } from "../../gpu/tuning.ts";
import { attention } from "../../kernels/attention.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { layerNorm } from "../../kernels/layer_norm.ts";
import { linear } from "../../kernels/linear.ts";
import { peakCopy } from "../../kernels/peak.ts";
import { qkNormRope } from "../../kernels/qk_norm_rope.ts";
import { Loader } from "../../model/loader.ts";
import { SyntheticWeights } from "../../model/synthetic_weights.ts";
import { totalWork, type Work, workOf } from "../../kernels/work.ts";

/** The work of what `record` records; `tensor` declares its inputs. */
function counted(
  record: (p: Program, tensor: (...shape: number[]) => ReturnType<Memory["tensor"]>) => void,
  keys?: number[],
  device?: DeviceProfile,
): Work {
  const memory = new Memory();
  const p = new Program("test", memory, device);
  p.scope(() => record(p, (...shape) => memory.tensor("test", shape)));
  return totalWork(p.recorded, keys && { keys });
}

/** Declares weights as a model does. */
function loader(p: Program, dtype: "f32" | "f16" = "f32"): Loader {
  return new Loader(new SyntheticWeights(), p.memory, dtype);
}

Deno.test("workOf() counts a linear layer's weights, bias, rows and products once", () => {
  const work = counted((p, tensor) => {
    linear(p, loader(p).linear("w", [64, 12]), tensor(5, 12));
  });
  assert.deepEqual(work, {
    flops: 2 * 5 * 12 * 64,
    read: 4 * (12 * 64 + 64 + 5 * 12),
    stored: 4 * (12 * 64 + 64),
    written: 4 * 5 * 64,
  });
});

Deno.test("workOf() counts a gated sum's old values and only the frames' rows of the table", () => {
  const work = counted((p, tensor) => {
    const memory = p.memory;
    const frames = memory.tensor("frames", [1, 2, 4], "u32");
    const gate = { table: tensor(100, 6 * 32), frames, tokens: 3, offset: 0 };
    const weights = loader(p, "f16").linear("w", [32, 16], { bias: false });
    linear(p, weights, tensor(1, 2, 3, 16), { into: { y: tensor(1, 2, 3, 32), gate } });
  });
  assert.equal(work.flops, 2 * 6 * 16 * 32);
  assert.equal(work.written, 4 * 6 * 32);
  assert.equal(work.read, 4 * 6 * 16 + 2 * 16 * 32 + 4 * 2 * 32 + 4 * 8 + 4 * 6 * 32);
});

Deno.test("workOf() counts an attention's visible keys, not the cache", () => {
  const heads = 2;
  const d = 64 * heads;
  const record = (p: Program, tensor: (...shape: number[]) => ReturnType<Memory["tensor"]>) => {
    const memory = p.memory;
    attention(p, tensor(1, 2, 4, d), {
      heads,
      k: memory.tensor("k", [1, heads, 1000, 64], "f16"),
      v: memory.tensor("v", [1, heads, 1000, 64], "f16"),
      frames: memory.tensor("frames", [1, 2, 4], "u32"),
      step: memory.buffer("step", 48, "uniform"),
      window: 0,
      contextTokens: 1,
      windowTokens: 4,
      slope: 0,
    });
  };
  const work = counted(record, [20, 24]);
  assert.equal(work.flops, 4 * d * 4 * (20 + 24));
  assert.equal(work.read, 4 * 8 * d + 2 * 2 * 24 * d + 4 * 8 + 48);
  assert.equal(work.stored, 2 * 2 * 24 * d);
  assert.equal(work.written, 4 * 8 * d);
  assert.throws(() => counted(record), TypeError);
});

for (const kind of ["storage", "texture"] as const) {
  Deno.test(`workOf() counts the new keys and values of a pass, not the cache, in ${kind}`, () => {
    const heads = 3;
    const d = 64 * heads;
    const work = counted((p, tensor) => {
      const memory = p.memory;
      qkNormRope(p, tensor(1, 1, 4, 3 * d), {
        heads,
        norms: tensor(2, 64),
        frames: memory.tensor("frames", [1, 1, 4], "u32"),
        rope: tensor(128),
        time: 0,
        axes: [16, 24, 24],
        columns: 2,
        spread: 1,
        k: memory.tensor("k", [1, heads, 500, 64], "f32", kind),
        v: memory.tensor("v", [1, heads, 500, 64], "f32", kind),
      });
    });
    assert.equal(work.written, 4 * 3 * 4 * d);
    assert.equal(work.read, 4 * (4 * 3 * d + 64 + 64 + 4 + 128));
  });
}

Deno.test("workOf() counts a norm's two numbers per frame, and no products", () => {
  const work = counted((p, tensor) => {
    const frames = p.memory.tensor("frames", [1, 3, 4], "u32");
    const modulation = { table: tensor(50, 48), frames, tokens: 2 };
    layerNorm(p, tensor(1, 3, 2, 8), { ...modulation, shift: 0, scale: 8 });
  });
  assert.deepEqual(work, {
    flops: 0,
    read: 4 * (6 * 8 + 3 * 2 * 8 + 12),
    stored: 0,
    written: 4 * 6 * 8,
  });
});

Deno.test("workOf() counts a fused norm's two numbers per frame", () => {
  const work = counted(
    (p, tensor) => {
      const frames = p.memory.tensor("frames", [1, 3, 4], "u32");
      const norm = { table: tensor(50, 48), frames, tokens: 2, shift: 0, scale: 8 };
      linear(p, loader(p).linear("w", [32, 8], { bias: false }), tensor(1, 3, 2, 8), { norm });
    },
    undefined,
    { cpu: false },
  );
  assert.deepEqual(work, {
    flops: 2 * 6 * 8 * 32,
    read: 4 * (6 * 8 + 8 * 32 + 3 * 2 * 8 + 12),
    stored: 4 * 8 * 32,
    written: 4 * 6 * 32,
  });
});

Deno.test("workOf() counts nine taps of a convolution", () => {
  const work = counted((p, tensor) => {
    conv2d(p, loader(p).conv("w", [32, 4], { size: 3, bias: false }), tensor(1, 5, 6, 4));
  });
  assert.deepEqual(work, {
    flops: 2 * 30 * 9 * 4 * 32,
    read: 4 * (30 * 4 + 9 * 4 * 32),
    stored: 4 * 9 * 4 * 32,
    written: 4 * 30 * 32,
  });
});

Deno.test("workOf() counts a copy's bytes both ways", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  peakCopy(p, memory.tensor("x", [10, 4]), memory.tensor("y", [10, 4]));
  assert.deepEqual(workOf(p.recorded[0]!), { flops: 0, read: 160, stored: 0, written: 160 });
});
