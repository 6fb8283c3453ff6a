import code from "./matmul.wgsl" with { type: "text" };
import broadcastCode from "./matmul_broadcast.wgsl" with { type: "text" };
import imageCode from "./to_image.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { tensorKind } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";

const MATMUL = joinKernel("matmul", code);
const MATMUL_BROADCAST = joinKernel("matmul_broadcast", broadcastCode);
const TO_IMAGE = defineKernel("to_image", imageCode);

/** Rows and columns of a workgroup's tile. */
const TILE = 64;
const BROADCAST_ROWS = [8, 16, 32] as const;

/** A row-major matrix within a tensor; numbers are floats, multiples of 4. */
export interface Matrix {
  readonly tensor: Tensor;
  /** Where it starts (0). */
  readonly first?: number;
  /** From row to row. */
  readonly stride: number;
}

export interface MatmulOptions {
  /** Rows and columns of the result, and what is summed over. */
  readonly m: number;
  readonly n: number;
  readonly r: number;
  /** A is [r, m] instead of [m, r]. */
  readonly transposeA?: boolean;
  /** B is [n, r] instead of [r, n]. */
  readonly transposeB?: boolean;
  /** n numbers for each row. */
  readonly bias?: { readonly tensor: Tensor; readonly first: number };
  /** Adds to C. */
  readonly add?: boolean;
  /** Of the product (1). */
  readonly scale?: number;
  readonly label?: string;
}

/**
 * C = scale op(A) op(B) + bias, or C += it: a linear layer's result, and both its gradients.
 * @param b an `operand`: an image on software adapters
 * @throws {ShapeError} sizes that vec4s do not divide
 */
export function matmul(p: Program, a: Matrix, b: Matrix, c: Matrix, options: MatmulOptions): void {
  const { m, n, r, transposeA = false, transposeB = false, bias, add, scale = 1 } = options;
  if (m * n * r === 0) return;
  const lasts = [n, transposeA ? m : r, transposeB ? r : n];
  const places = [a, b, c].flatMap(({ first = 0, stride }) => [first, stride]);
  if ([...lasts, ...places, bias?.first ?? 0].some((value) => value % 4)) {
    throw new ShapeError(`Cannot multiply [${m}, ${r}] by [${r}, ${n}]: multiples of 4 are needed`);
  }
  const broadcast = b.tensor.buffer.kind === "texture";
  const rows = BROADCAST_ROWS.find((rows) => m <= rows) ?? 32;
  const flags = { TRANSPOSE_A: Number(transposeA), TRANSPOSE_B: Number(transposeB) };
  p.dispatch({
    kernel: broadcast ? MATMUL_BROADCAST : MATMUL,
    label: options.label,
    constants: broadcast ? { ...flags, ROWS: rows } : flags,
    params: {
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
    },
    buffers: { a: a.tensor, b: b.tensor, bias: bias?.tensor ?? a.tensor, c: c.tensor },
    groups: [Math.ceil(n / TILE), Math.ceil(m / (broadcast ? rows : TILE)), 1],
  });
}

/**
 * A matrix as `matmul` takes its second one: where the device gathers from images, a copy in one.
 * @param image scratch for the copy
 */
export function operand(
  p: Program,
  { tensor, first = 0, stride }: Matrix,
  [rows, columns]: readonly [number, number],
  image: Tensor | undefined,
): Matrix {
  if (tensorKind(p.device) !== "texture" || !image || rows * columns === 0) {
    return { tensor, first, stride };
  }
  const count = rows * columns / 4;
  p.dispatch({
    kernel: TO_IMAGE,
    params: { count, columns: columns / 4, stride: stride / 4, first: first / 4 },
    buffers: { x: tensor, y: image },
    groups: grid(count, 64),
  });
  return { tensor: image, stride: columns };
}
