import filtersCode from "./pack_filters.wgsl" with { type: "text" };
import code from "./pack_weight.wgsl" with { type: "text" };
import textureCode from "./pack_weight_texture.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import type { Place } from "./column_sums.ts";
import { joinKernel } from "./fragments.ts";
import { imageForm } from "./memory_forms.ts";

const PACK_WEIGHT = joinKernel("pack_weight", code);
const PACK_WEIGHT_TEXTURE = joinKernel("pack_weight_texture", textureCode);
const PACK_FILTERS = imageForm(joinKernel("pack_filters", filtersCode), ["x"]);
const SOURCES = { F32: 0, F16: 1, BF16: 2 } as const;

/** Types of weights in files. */
export type WeightDtype = keyof typeof SOURCES;

const LANES = 32;
/** Pieces of 16 bytes per lane: as many as share the source's cache lines. */
const DEPTH = 16;
/** Columns per block: as many as a matmul's workgroup computes on a CPU. */
const BLOCK = 32;

/**
 * Shape of a weight packed in blocks: block b contains columns 32 b to 32 b + 31 of all k, one k
 * after the other, so a workgroup reads its weights sequentially. In f16 two k alternate, four
 * columns each.
 */
export function packedShape(k: number, n: number): [blocks: number, k: number, columns: number] {
  return [Math.ceil(n / BLOCK), k, BLOCK];
}

/** Where and how a weight is packed. */
export interface PackOptions {
  readonly dtype: WeightDtype;
  /** [N, K], or [N, K / taps, taps] of a convolution. */
  readonly shape: readonly [n: number, k: number];
  readonly taps?: number;
  /** First column in the packed weight, for joined layers (q, k, v); a multiple of 4. */
  readonly offset?: number;
  /** First row; a multiple of 4. */
  readonly row?: number;
  /** Start of the weight in the source, in elements. */
  readonly first?: number;
  /**
   * Whether the source is [K / taps, N, taps] with reversed taps, as for the gradient of the input.
   */
  readonly transposed?: boolean;
}

/**
 * Packs a weight from a file into the layout of `linear` and `conv2d`, or into rows.
 * @param source the tensor's bytes as in the file
 * @param packed of shape `packedShape(taps * channels padded to 4, N)`, or [those, N8]; f32 or f16
 * @throws {ShapeError}
 */
export function packWeight(
  p: Program,
  source: DeviceBuffer,
  packed: Tensor,
  options: PackOptions,
): void {
  const { dtype, shape: [n, k], taps = 1, offset = 0, row = 0, first = 0 } = options;
  const channels = Math.ceil(k / taps / 4) * 4;
  const blocked = packed.shape.length === 3;
  const [rows, width] = blocked
    ? [packed.shape[1]!, packed.shape[0]! * BLOCK]
    : packed.shape as [number, number];
  const f16 = packed.dtype === "f16";
  // columns and k in a piece of 16 bytes
  const [columns, ks] = f16 ? blocked ? [4, 2] : [8, 1] : [4, 1];
  const joined = options.row !== undefined && row % 4 === 0 && row + channels * taps <= rows;
  if ((!joined && rows !== channels * taps) || offset % columns || offset + n > width) {
    throw new ShapeError(`Cannot pack [${n}, ${k}] at ${offset} of [${packed.shape}]`);
  }
  const inputs = k / taps;
  p.dispatch({
    kernel: packed.buffer.kind === "texture" ? PACK_WEIGHT_TEXTURE : PACK_WEIGHT,
    constants: { SOURCE: SOURCES[dtype], F16: Number(f16), BLOCKED: Number(blocked) },
    params: {
      ...{ n, inputs, taps, channels, stride: width, offset, depth: DEPTH, first, row, rows },
      transposed: Number(options.transposed ?? false),
    },
    buffers: { source, packed },
    groups: [Math.ceil(n / columns / LANES), Math.ceil(channels * taps / ks / DEPTH), 1],
  });
}

/** Filters of a convolution, and where they go. */
export type FilterOptions = Pick<PackOptions, "shape" | "taps" | "offset">;

/** Whether `packFilters` can pack these: only whole vec4s. */
export function packsFilters({ shape: [n, k], taps = 1 }: FilterOptions, { first }: Place) {
  return n % 4 === 0 && k / taps % 4 === 0 && first % 4 === 0;
}

/**
 * Does what `packWeight` does for f32 from an image into another, with a quarter of its reads.
 * @param packed of shape `packedShape(K, N)`
 * @throws {ShapeError} sizes for which `packsFilters` is false
 */
export function packFilters(
  p: Program,
  source: Place,
  packed: Tensor,
  options: FilterOptions,
): void {
  const { shape: [n, k], taps = 1, offset = 0 } = options;
  const [blocks, rows] = packed.shape;
  if (!packsFilters(options, source) || rows !== k || offset % 4 || offset + n > blocks! * BLOCK) {
    throw new ShapeError(`Cannot pack filters [${n}, ${k}] at ${offset} of [${packed.shape}]`);
  }
  p.dispatch({
    kernel: PACK_FILTERS,
    constants: { TAPS: taps },
    params: { n, row: k / 4, first: source.first / 4, column: offset / 4, depth: DEPTH },
    buffers: { x: source.tensor, packed },
    groups: [Math.ceil(n / BLOCK), Math.ceil(k / 4 / DEPTH), 1],
  });
}
