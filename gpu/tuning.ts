import type { MemoryKind } from "./memory.ts";
import type { DeviceProfile } from "./program.ts";

/** Lanes whose values the broadcasting kernels exchange. */
const SUBGROUP = 8;

/** True where the broadcasting kernels run and are worth it: software adapters. */
export function broadcasts({ cpu, subgroupSize = SUBGROUP }: DeviceProfile): boolean {
  return cpu && subgroupSize >= SUBGROUP;
}

/**
 * What weights and caches are kept in. Kernels follow: those that read images are the broadcasting
 * ones.
 */
export function tensorKind(device: DeviceProfile): MemoryKind {
  return broadcasts(device) ? "image" : "storage";
}

/** How a matrix product is divided. */
export interface LinearTuning {
  /** Rows a workgroup of the broadcasting form. */
  readonly rows: 8 | 16 | 32;
  /** Groups of 64 lanes that share the k of a tile, in the form for GPUs. */
  readonly slices: 1 | 2 | 4;
}

/** Tiles that fill a large GPU; fewer share their k among more lanes. */
const BUSY_TILES = 256;

/** The built-in choice for x [m, k] times W [k, n]. */
export function linearTuning([m, k, n]: readonly [m: number, k: number, n: number]): LinearTuning {
  const tiles = Math.ceil(m / 32) * Math.ceil(n / 32);
  return {
    rows: m <= 8 ? 8 : m <= 16 ? 16 : 32,
    slices: k < 256 || tiles >= BUSY_TILES ? 1 : tiles >= BUSY_TILES / 2 ? 2 : 4,
  };
}

/** How a convolution is divided. */
export interface Conv2dTuning {
  /** Pixels a workgroup of the broadcasting form. */
  readonly rows: 8 | 16 | 32 | 64;
}

/** The built-in choice for so many pixels. */
export function conv2dTuning(pixels: number): Conv2dTuning {
  return { rows: pixels <= 8 ? 8 : pixels <= 16 ? 16 : pixels <= 32 ? 32 : 64 };
}

/** How the form of attention for GPUs is divided. */
export interface AttentionTuning {
  /** Lanes of a workgroup, a query each. */
  readonly lanes: number;
  /** Parts of the keys, merged afterwards (flash-decoding). Holds for both forms. */
  readonly split: number;
}

/** What attention's choice depends on; `rows` are heads times videos. */
export interface AttentionShape {
  readonly queries: number;
  readonly slots: number;
  readonly rows: number;
}

/** Workgroups that keep a large GPU busy, and the fewest keys that are worth a part of their own. */
const BUSY = 512;
const KEYS_A_PART = 256;
const MOST_PARTS = 16;

/** The built-in choice: keys are split where the queries alone do not fill a GPU. */
export function attentionTuning(
  { cpu }: DeviceProfile,
  { queries, slots, rows }: AttentionShape,
): AttentionTuning {
  if (cpu) return { lanes: 8, split: 1 };
  const groups = Math.ceil(queries / 64) * rows;
  const parts = Math.min(Math.ceil(BUSY / groups), Math.floor(slots / KEYS_A_PART), MOST_PARTS);
  return { lanes: 64, split: Math.max(1, parts) };
}
