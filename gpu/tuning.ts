import type { DeviceProfile } from "./program.ts";

/** How a matrix product is computed. */
export type LinearVariant =
  /** Lanes load for each other, by subgroup broadcast; rows a workgroup. For CPUs. */
  | { readonly form: "broadcast"; readonly rows: 8 | 16 | 32 | 64 }
  /** Tiles through workgroup memory; groups of 64 lanes that share a tile's k. */
  | { readonly form: "tiled"; readonly slices: 1 | 2 | 4 };

/** How a convolution is computed. */
export type Conv2dVariant =
  /** Lanes load for each other, by subgroup broadcast; pixels a workgroup. For CPUs. */
  | { readonly form: "broadcast"; readonly rows: 8 | 16 | 32 | 64 }
  /** A pixel's channels are loaded by all lanes at once; a lane computes 16 pixels. */
  | { readonly form: "lanes" };

/** How attention is computed: queries a workgroup, parts of the keys (flash-decoding). */
export type AttentionVariant =
  /** Lanes load for each other, by subgroup broadcast. For CPUs. */
  | { readonly form: "broadcast"; readonly queries: 16; readonly split: number }
  /** A lane a query; keys are loaded by all lanes at once. */
  | { readonly form: "lanes"; readonly queries: number; readonly split: number };

/** Lanes whose values the broadcasting kernels exchange. */
const SUBGROUP = 8;
/** Tiles that fill a large GPU; fewer share their k among more lanes. */
const BUSY_TILES = 256;

/** True where the broadcasting kernels run and are worth it. */
export function broadcasts({ cpu, subgroupSize = SUBGROUP }: DeviceProfile): boolean {
  return cpu && subgroupSize >= SUBGROUP;
}

/** The built-in choice for x [m, k] times W [k, n]. */
export function linearVariant(
  device: DeviceProfile,
  [m, k, n]: readonly [m: number, k: number, n: number],
): LinearVariant {
  if (broadcasts(device)) return { form: "broadcast", rows: broadcastRows(m) };
  const tiles = Math.ceil(m / 32) * Math.ceil(n / 32);
  const slices = k < 256 || tiles >= BUSY_TILES ? 1 : tiles >= BUSY_TILES / 2 ? 2 : 4;
  return { form: "tiled", slices };
}

/** The built-in choice for so many pixels. */
export function conv2dVariant(device: DeviceProfile, pixels: number): Conv2dVariant {
  return broadcasts(device)
    ? { form: "broadcast", rows: broadcastRows(pixels) }
    : { form: "lanes" };
}

/** As many rows a workgroup as there are; a compiled kernel holds the sums of 64 at the most. */
function broadcastRows(rows: number): 8 | 16 | 32 | 64 {
  return rows <= 8 ? 8 : rows <= 16 ? 16 : rows <= 32 ? 32 : 64;
}

/** What an attention's variant depends on; `rows` are heads times videos. */
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
export function attentionVariant(
  device: DeviceProfile,
  { queries, slots, rows }: AttentionShape,
): AttentionVariant {
  if (broadcasts(device)) return { form: "broadcast", queries: 16, split: 1 };
  if (device.cpu) return { form: "lanes", queries: 8, split: 1 };
  const groups = Math.ceil(queries / 64) * rows;
  const parts = Math.min(Math.ceil(BUSY / groups), Math.floor(slots / KEYS_A_PART), MOST_PARTS);
  return { form: "lanes", queries: 64, split: Math.max(1, parts) };
}
