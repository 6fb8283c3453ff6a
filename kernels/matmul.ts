import code from "./matmul.wgsl" with { type: "text" };
import broadcastCode from "./matmul_broadcast.wgsl" with { type: "text" };
import columnsCode from "./pack_columns.wgsl" with { type: "text" };
import rowsCode from "./pack_rows.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
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
const PACK_ROWS = imageForm(joinKernel("pack_rows", rowsCode), ["x"]);
const PACK_COLUMNS = imageForm(joinKernel("pack_columns", columnsCode), ["x"]);

/** Rows and columns of a workgroup's tile, and of that of the form for CPUs. */
const TILE = 64;
const BROADCAST_TILE = 32;
/** Rows or columns of a block of a packed matrix. */
const BLOCK = 32;

/**
 * How an image holds a matrix so that products read it from one end to the other. "rows": blocks of
 * 32 rows, in each four numbers of all its rows, then the next four; sums go along its rows.
 * "columns": blocks of 32 columns, in each row after row; sums go along its columns.
 */
export type Packing = "rows" | "columns";

/** A row-major matrix within a tensor; offsets are in floats, multiples of 4. */
export interface Matrix {
  readonly tensor: Tensor;
  /** Where it starts (0). */
  readonly first?: number;
  /** Floats from row to row. */
  readonly stride: number;
  /** Lies in an image as `packMatrix` arranges it. */
  readonly packed?: Packing;
}

export interface MatmulOptions {
  /** Rows and columns of the result, and the length of sums. */
  readonly m: number;
  readonly n: number;
  readonly r: number;
  /** A is [r, m] instead of [m, r]. */
  readonly transposeA?: boolean;
  /** B is [n, r] instead of [r, n]; in images only if its rows are packed. */
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

/** Floats of the image of a packed matrix, which a bias may follow. */
export function packedFloats(rows: number, columns: number, packing: Packing = "rows"): number {
  const [blocked, whole] = packing === "rows" ? [rows, columns] : [columns, rows];
  return Math.ceil(blocked / BLOCK) * BLOCK * whole;
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
      ...images && {
        PACKED_A: Number(a.packed !== undefined),
        PACKED_B: Number(b.packed !== undefined),
        COLUMNS_B: Number(b.packed === "columns"),
        ALIGNED: Number(r % 4 === 0),
      },
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
 * A matrix as `matmul` gathers it from an image: weights, which their bias may follow, or activations.
 * Rows of A that are summed along, and of a transposed B, are packed by rows; the others by columns.
 * Weights that are packed by rows serve as B either way around, more slowly if not transposed.
 * @param from in an image, row after row, or packed by rows
 * @param image of at least `packedFloats`
 */
export function packMatrix(
  p: Program,
  { tensor, first = 0, stride, packed }: Matrix,
  [rows, columns]: readonly [number, number],
  image: Tensor,
  packing: Packing = "rows",
): Matrix {
  if (4 * packedFloats(rows, columns, packing) > image.buffer.bytes) {
    throw new ShapeError(`Cannot pack [${rows}, ${columns}]: ${image.buffer.bytes} bytes are few`);
  }
  p.dispatch({
    kernel: packing === "rows" ? PACK_ROWS : PACK_COLUMNS,
    ...packing === "columns" && { constants: { FROM_ROWS: Number(packed === "rows") } },
    params: { rows, columns: columns / 4, stride: stride / 4, first: first / 4 },
    buffers: { x: tensor, y: image },
    groups: [Math.ceil(columns / BLOCK), Math.ceil(rows / BLOCK), 1],
  });
  return { tensor: image, stride, packed: packing };
}
