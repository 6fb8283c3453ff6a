import code from "./matmul.wgsl" with { type: "text" };
import broadcastCode from "./matmul_broadcast.wgsl" with { type: "text" };
import packCode from "./pack_operand.wgsl" with { type: "text" };
import imageCode from "./to_image.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { tensorKind } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";

const MATMUL = joinKernel("matmul", code);
const MATMUL_BROADCAST = joinKernel("matmul_broadcast", broadcastCode);
const PACK_OPERAND = defineKernel("pack_operand", packCode);
const TO_IMAGE = joinKernel("to_image", imageCode);

/** Rows and columns of a workgroup's tile; rows of the form for CPUs. */
const TILE = 64;
const BROADCAST_ROWS = 32;
/** Rows of a block of a packed operand. */
const BLOCK = 32;

/** A row-major matrix within a tensor; offsets are in floats, multiples of 4. */
export interface Matrix {
  readonly tensor: Tensor;
  /** Where it starts (0). */
  readonly first?: number;
  /** Floats from row to row. */
  readonly stride: number;
}

/**
 * Scratch into which `matmul` packs its operands if `usesImages`, each of `operandFloats` of its
 * contents. A packed operand serves transposed as well.
 */
export interface OperandImages {
  readonly a: Tensor;
  readonly b: Tensor;
}

export interface MatmulOptions {
  /** Rows and columns of the result, and the length of sums. */
  readonly m: number;
  readonly n: number;
  readonly r: number;
  /** A is [r, m] instead of [m, r]. */
  readonly transposeA?: boolean;
  /** B is [n, r] instead of [r, n]. */
  readonly transposeB?: boolean;
  /** n values that are added to each row. */
  readonly bias?: { readonly tensor: Tensor; readonly first: number };
  /** Adds to C. */
  readonly add?: boolean;
  /** Factor of the product (1). */
  readonly scale?: number;
  readonly label?: string;
  /** Needed if `usesImages`. */
  readonly images?: OperandImages;
  /** Whether the image of A or B already contains it, so that it is not packed again. */
  readonly packed?: { readonly a?: boolean; readonly b?: boolean };
}

/** Whether the device gathers from images many times faster than from buffers. */
export function usesImages(p: Program): boolean {
  return tensorKind(p.device) === "texture";
}

/** Floats of the image of a matrix that is an operand. */
export function operandFloats(rows: number, columns: number): number {
  return Math.ceil(rows / BLOCK) * BLOCK * columns;
}

/**
 * C = scale op(A) op(B) + bias, or C += it: used for a linear layer and both of its gradients.
 * @throws {ShapeError} sizes that are not multiples of 4
 */
export function matmul(p: Program, a: Matrix, b: Matrix, c: Matrix, options: MatmulOptions): void {
  const { m, n, r, transposeA = false, transposeB = false, bias, add, scale = 1 } = options;
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
    add: Number(add ?? false),
    scale,
  };
  const images = usesImages(p) ? packOperands(p, a, b, options) : undefined;
  p.dispatch({
    kernel: images ? MATMUL_BROADCAST : MATMUL,
    label: options.label,
    constants: { TRANSPOSE_A: Number(transposeA), TRANSPOSE_B: Number(transposeB) },
    params,
    buffers: {
      a: images?.a ?? a.tensor,
      b: images?.b ?? b.tensor,
      bias: bias?.tensor ?? a.tensor,
      c: c.tensor,
    },
    groups: [Math.ceil(n / TILE), Math.ceil(m / (images ? BROADCAST_ROWS : TILE)), 1],
  });
}

function packOperands(
  p: Program,
  a: Matrix,
  b: Matrix,
  { m, n, r, transposeA = false, transposeB = false, images, packed = {} }: MatmulOptions,
): OperandImages {
  if (!images) throw new ShapeError("Cannot multiply on this device: it needs images");
  if (!packed.a) packOperand(p, a, transposeA ? [r, m] : [m, r], images.a);
  if (!packed.b) packOperand(p, b, transposeB ? [n, r] : [r, n], images.b);
  return images;
}

function packOperand(
  p: Program,
  { tensor, first = 0, stride }: Matrix,
  [rows, columns]: readonly [number, number],
  image: Tensor,
): void {
  if (4 * operandFloats(rows, columns) > image.buffer.bytes) {
    throw new ShapeError(`Cannot pack [${rows}, ${columns}]: ${image.buffer.bytes} bytes are few`);
  }
  p.dispatch({
    kernel: PACK_OPERAND,
    params: { rows, columns: columns / 4, stride: stride / 4, first: first / 4 },
    buffers: { x: tensor, y: image },
    groups: [Math.ceil(rows / 8), Math.ceil(columns / 64), 1],
  });
}

/**
 * A matrix for kernels that gather much: a row-major copy in an image if the device gathers faster
 * from images.
 * @param image scratch for the copy
 */
export function operand(
  p: Program,
  { tensor, first = 0, stride }: Matrix,
  [rows, columns]: readonly [number, number],
  image: Tensor | undefined,
): Matrix {
  if (!usesImages(p) || !image || rows * columns === 0) {
    return { tensor, first, stride };
  }
  const count = rows * columns / 4;
  eachLane(p, TO_IMAGE, count, {
    params: { columns: columns / 4, stride: stride / 4, first: first / 4 },
    buffers: { x: tensor, y: image },
  });
  return { tensor: image, stride: columns };
}
