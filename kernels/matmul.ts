import code from "./matmul.wgsl" with { type: "text" };
import broadcastCode from "./matmul_broadcast.wgsl" with { type: "text" };
import packCode from "./pack_operand.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { tensorKind } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { dispatchForm, imageForm, inImage, memoryForms, updating } from "./memory_forms.ts";

const MATMUL = memoryForms("matmul", code, ["a", "b", "c"]);
/** C is an image, or a buffer: a gradient of weights. */
const BROADCAST = joinKernel("matmul_broadcast", broadcastCode);
const MATMUL_IMAGE = imageForm(BROADCAST, ["bias", "c"]);
const MATMUL_BUFFER = imageForm({ ...BROADCAST, name: "matmul_broadcast_sum" }, ["bias"]);
const PACK_OPERAND = imageForm(defineKernel("pack_operand", packCode), ["x"]);

/** Rows and columns of a workgroup's tile, and of that of the form for CPUs. */
const TILE = 64;
const BROADCAST_TILE = 32;
/** Rows of a block of packed weights. */
const BLOCK = 32;

/** A row-major matrix within a tensor; offsets are in floats, multiples of 4. */
export interface Matrix {
  readonly tensor: Tensor;
  /** Where it starts (0). */
  readonly first?: number;
  /** Floats from row to row. */
  readonly stride: number;
  /** Lies in an image as `packWeights` arranges it. */
  readonly packed?: boolean;
}

export interface MatmulOptions {
  /** Rows and columns of the result, and the length of sums. */
  readonly m: number;
  readonly n: number;
  readonly r: number;
  /** A is [r, m] instead of [m, r]. */
  readonly transposeA?: boolean;
  /** B is [n, r] instead of [r, n]; in images only if it is packed. */
  readonly transposeB?: boolean;
  /** n values that are added to each row. */
  readonly bias?: { readonly tensor: Tensor; readonly first: number };
  /** Is added, place by place: C itself, or where C is an image another one. */
  readonly onto?: Tensor;
  /** Factor of the product (1). */
  readonly scale?: number;
  readonly label?: string;
}

/** Whether activations lie in images, from which the device gathers many times faster. */
export function usesImages(p: Program): boolean {
  return tensorKind(p.device) === "texture";
}

/** Floats of the image of packed weights, which their bias may follow. */
export function packedFloats(rows: number, columns: number): number {
  return Math.ceil(rows / BLOCK) * BLOCK * columns;
}

/**
 * C = scale op(A) op(B) + bias, onto what is there if asked: used for a linear layer and both of its
 * gradients. Where `usesImages`, A, B and bias lie in images.
 * @throws {ShapeError} sizes that are not multiples of 4
 */
export function matmul(p: Program, a: Matrix, b: Matrix, c: Matrix, options: MatmulOptions): void {
  const { m, n, r, transposeA = false, transposeB = false, bias, onto, scale = 1 } = options;
  if (m * n * r === 0) return;
  const lasts = [n, transposeA ? m : r, transposeB ? r : n];
  const places = [a, b, c].flatMap(({ first = 0, stride }) => [first, stride]);
  if ([...lasts, ...places, bias?.first ?? 0].some((value) => value % 4)) {
    throw new ShapeError(`Cannot multiply [${m}, ${r}] by [${r}, ${n}]: multiples of 4 are needed`);
  }
  const params = {
    m,
    n,
    r,
    a_stride: a.stride / 4,
    b_stride: b.stride / 4,
    c_stride: c.stride / 4,
    a_first: (a.first ?? 0) / 4,
    b_first: (b.first ?? 0) / 4,
    c_first: (c.first ?? 0) / 4,
    bias_first: (bias?.first ?? 0) / 4,
    biased: Number(bias !== undefined),
    scale,
  };
  const images = inImage(a.tensor);
  const tile = images ? BROADCAST_TILE : TILE;
  const dispatch = {
    label: options.label,
    constants: {
      TRANSPOSE_A: Number(transposeA),
      TRANSPOSE_B: Number(transposeB),
      ADD: Number(onto !== undefined),
      ...images && { PACKED: Number(b.packed ?? false), ALIGNED: Number(r % 4 === 0) },
    },
    params,
    buffers: {
      a: a.tensor,
      b: b.tensor,
      bias: bias?.tensor ?? a.tensor,
      ...updating("c", onto ?? a.tensor, c.tensor),
    },
    groups: [Math.ceil(n / tile), Math.ceil(m / tile), 1],
  } as const;
  if (!images) return dispatchForm(p, MATMUL, dispatch);
  p.dispatch({ kernel: inImage(c.tensor) ? MATMUL_IMAGE : MATMUL_BUFFER, ...dispatch });
}

/**
 * Weights of a linear layer [outputs, inputs] as `matmul` gathers them from an image, either way
 * around, followed by the layer's bias.
 * @param weights in an image
 * @param image of at least `packedFloats` and the bias
 */
export function packWeights(
  p: Program,
  { tensor, first = 0, stride }: Matrix,
  [rows, columns]: readonly [number, number],
  image: Tensor,
): Matrix {
  if (4 * packedFloats(rows, columns) > image.buffer.bytes) {
    throw new ShapeError(`Cannot pack [${rows}, ${columns}]: ${image.buffer.bytes} bytes are few`);
  }
  p.dispatch({
    kernel: PACK_OPERAND,
    params: { rows, columns: columns / 4, stride: stride / 4, first: first / 4 },
    buffers: { x: tensor, y: image },
    groups: [Math.ceil(rows / 8), Math.ceil(columns / 64), 1],
  });
  return { tensor: image, stride, packed: true };
}
