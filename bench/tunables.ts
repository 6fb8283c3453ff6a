import type { Gpu } from "../gpu/gpu.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Dispatch, Program } from "../gpu/program.ts";
import {
  attentionKey,
  attentionTuning,
  broadcasts,
  conv2dKey,
  conv2dTuning,
  type DeviceProfile,
  exchanges,
  exchangesHeads,
  linearKey,
  linearTuning,
  type ProductTuning,
  qkvKey,
  qkvTuning,
  tensorKind,
} from "../gpu/tuning.ts";
import { attention } from "../kernels/attention.ts";
import { conv2d } from "../kernels/conv2d.ts";
import { linear } from "../kernels/linear.ts";
import { plainName } from "../kernels/memory_forms.ts";
import { packedShape } from "../kernels/pack_weight.ts";
import { packs } from "../kernels/product.ts";
import { qkv } from "../kernels/qkv.ts";

/** A way to divide a kernel's work: its override constants by name. */
export type Numbers = Readonly<Record<string, number>>;

/** A kernel at one shape, whose work can be divided in several ways. */
export interface Tunable {
  /** Key in a table. */
  readonly key: string;
  /** The built-in choice of the parameters that apply to this device. */
  readonly builtIn: Numbers;
  /** Records it on its own tensors; returns the result. */
  record(p: Program, tuning: Numbers): Tensor;
  /** Writes inputs that cannot be arbitrary. */
  prepare?(gpu: Gpu, p: Program): void;
}

/** The distinct kernels of recorded work that can be divided in several ways on its device. */
export function tunables(programs: Iterable<Program>): Tunable[] {
  const found = new Map<string, Tunable>();
  for (const { recorded, device } of programs) {
    const untuned = { ...device, tuning: undefined };
    for (const dispatch of recorded) {
      const tunable = tunableOf(dispatch, untuned);
      if (tunable) found.set(tunable.key, tunable);
    }
  }
  return [...found.values()];
}

function tunableOf(dispatch: Dispatch, device: DeviceProfile): Tunable | undefined {
  const name = plainName(dispatch.kernel.name);
  if (/^linear(_broadcast|_shuffle)?$/.test(name)) return tunableLinear(dispatch, device);
  if (/^qkv(_shuffle)?$/.test(name)) return tunableQkv(dispatch, device);
  if (name.startsWith("conv2d")) return tunableConv2d(dispatch, device);
  if (/^attention(_broadcast|_shuffle)?$/.test(name)) return tunableAttention(dispatch, device);
  return undefined;
}

function dtypeOf({ constants }: Dispatch): "f32" | "f16" {
  return constants?.F16 ? "f16" : "f32";
}

/** The tuning parameters that apply to this device, to products in blocks also `packed`. */
function relevant(choice: ProductTuning, device: DeviceProfile, halves = false): Numbers {
  const { rows, shuffle, packed, split: _, ...tiles } = choice;
  if (broadcasts(device)) return { rows };
  return {
    ...tiles,
    ...(exchanges(device) && { shuffle }),
    ...(halves && { packed }),
  };
}

function tunableLinear(dispatch: Dispatch, device: DeviceProfile): Tunable {
  const { m, k, n, residual } = dispatch.params as Record<"m" | "k" | "n" | "residual", number>;
  const dtype = dtypeOf(dispatch);
  const norm = Boolean(dispatch.constants?.NORM);
  const shape = { m, k, n, dtype, norm, into: residual > 0 };
  const choice = linearTuning(device, shape);
  const gated = residual === 2;
  const halves = packs(device, dtype) && (norm || gated);
  const splits = gated && !broadcasts(device);
  return {
    key: linearKey(shape),
    builtIn: { ...relevant(choice, device, halves), ...(splits && { split: choice.split }) },
    record(p, tuning) {
      const weight = p.memory.tensor("w", packedShape(k, n), dtype, tensorKind(device));
      const weights = { weight, inputs: k, outputs: n };
      const like = (name: string, shape: number[], of: Tensor) =>
        p.memory.tensor(name, shape, "f32", of.buffer.kind);
      const bound = dispatch.buffers as Readonly<Record<string, Tensor>>;
      const x = like("x", [m, k], bound.x!);
      // as in a block: scale and shift on the way in, or a gate on the way out, of one frame
      const frames = p.memory.tensor("frames", [1, 1, 4], "u32");
      const table = p.memory.tensor("table", [1, 2 * Math.max(k, n)]);
      const modulation = { table, frames, tokens: m };
      const y = like("y", [m, Math.ceil(n / 4) * 4], bound.y_to ?? bound.y!);
      return linear(p, weights, x, {
        tuning,
        norm: norm ? { ...modulation, shift: 0, scale: k } : undefined,
        to: y,
        into: residual === 2
          ? { y, gate: { ...modulation, offset: 0 } }
          : residual
          ? { y }
          : undefined,
      });
    },
  };
}

function tunableQkv(dispatch: Dispatch, device: DeviceProfile): Tunable {
  const { m, k, n, heads, tokens, frames: count, slots, columns, spread, ...rope } = dispatch
    .params as Record<string, number>;
  const dtype = dtypeOf(dispatch);
  const cached = dispatch.constants!.HALF_CACHE ? "f16" : "f32";
  const batch = m! / (count! * tokens!);
  const axes = [4 * rope.time_pairs!, 4 * rope.row_pairs!, 0] as const;
  const shape = { m: m!, k: k!, n: n!, dtype };
  const choice = qkvTuning(device, shape);
  const { blocks: _always, ...builtIn } = relevant(choice, device, packs(device, dtype));
  return {
    key: qkvKey(shape),
    builtIn,
    record(p, tuning) {
      const tensor = (name: string, ...shape: number[]) => p.memory.tensor(name, shape);
      const weight = p.memory.tensor("w", packedShape(k!, n!), dtype);
      const frames = p.memory.tensor("frames", [batch, count!, 4], "u32");
      const cache = [batch, heads!, slots!, 64];
      return qkv(p, { weight, inputs: k!, outputs: n! }, tensor("x", batch, count!, tokens!, k!), {
        norm: { table: tensor("table", 1, 2 * k!), frames, tokens: tokens!, shift: 0, scale: k! },
        heads: heads!,
        norms: tensor("norms", 2, 64),
        frames,
        rope: tensor("rope", ...(dispatch.buffers.rope as Tensor).shape),
        time: rope.time!,
        axes,
        columns: columns!,
        spread: spread!,
        k: p.memory.tensor("k", cache, cached),
        v: p.memory.tensor("v", cache, cached),
        tuning,
      });
    },
  };
}

function tunableConv2d(dispatch: Dispatch, device: DeviceProfile): Tunable {
  const { pixels, height, width, k, n } = dispatch.params as Record<string, number>;
  const taps = dispatch.constants!.SIZE! ** 2;
  const dtype = dtypeOf(dispatch);
  const shape = { pixels: pixels!, k: k!, n: n!, taps, dtype };
  return {
    key: conv2dKey(shape),
    builtIn: relevant(conv2dTuning(device, shape), device),
    record(p, tuning) {
      const packed = packedShape(taps * k!, n!);
      const weight = p.memory.tensor("w", packed, dtype, tensorKind(device));
      const batch = pixels! / (height! * width!);
      const x = p.memory.tensor("x", [batch, height!, width!, k!]);
      return conv2d(p, { weight, inputs: k!, outputs: n! }, x, { tuning });
    },
  };
}

function tunableAttention(dispatch: Dispatch, device: DeviceProfile): Tunable {
  const { queries, tokens, heads, slots } = dispatch.params as Record<string, number>;
  const batch = typeof dispatch.groups === "function" ? 1 : dispatch.groups[2];
  const dtype = dtypeOf(dispatch);
  const shape = { queries: queries!, slots: slots!, rows: heads! * batch, dtype };
  const { ahead, shuffle, parts, split } = attentionTuning(device, shape);
  const frames = queries! / tokens!;
  return {
    key: attentionKey(shape),
    builtIn: broadcasts(device)
      ? { split }
      : exchangesHeads(device, dtype)
      ? { ahead, shuffle, parts, split }
      : { ahead, split },
    record(p, tuning) {
      const cache = [batch, heads!, slots!, 64];
      return attention(p, p.memory.tensor("q", [batch, frames, tokens!, heads! * 64]), {
        heads: heads!,
        k: p.memory.tensor("k", cache, dtype, tensorKind(device)),
        v: p.memory.tensor("v", cache, dtype, tensorKind(device)),
        frames: p.memory.tensor("frames", [batch, frames, 4], "u32"),
        step: p.memory.buffer("step", 48, "uniform"),
        window: 0,
        contextTokens: 1,
        windowTokens: tokens!,
        slope: 0,
        tuning,
      });
    },
    // every query attends to the whole cache
    prepare(gpu, p) {
      const { frames: numbers, step } = p.recorded[0]!.buffers;
      const buffer = (bound: typeof step) => "buffer" in bound! ? bound.buffer : bound!;
      const rows = Array.from({ length: batch * frames }, () => [0, 0, 0, slots!]);
      gpu.write(buffer(numbers), 0, Uint32Array.from(rows.flat()));
      gpu.write(buffer(step), 0, Uint32Array.of(0, 0, 0, 0, 0, slots!, 0, 0, 0, 0, 0, 0));
    },
  };
}
