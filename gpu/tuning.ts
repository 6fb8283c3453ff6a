import type { Dtype, MemoryKind } from "./memory.ts";

/** Lanes whose values the broadcasting kernels exchange. */
const SUBGROUP = 8;

/** What of a device decides between variants of a kernel; known, or assumed, when recording. */
export interface DeviceProfile {
  /** A software adapter: few lanes, slow workgroup memory, fast loads that all lanes share. */
  readonly cpu: boolean;
  /** Lanes that can exchange values for certain; 0 where none can. Absent: 8 on software adapters. */
  readonly subgroupSize?: number;
  /** What was measured to be best here (by `tuneModel`). */
  readonly tuning?: TuningTable;
}

/** True where the broadcasting kernels run and are worth it: software adapters. */
export function broadcasts({ cpu, subgroupSize = SUBGROUP }: DeviceProfile): boolean {
  return cpu && subgroupSize >= SUBGROUP;
}

/** True where eight lanes can be counted on to exchange values within a subgroup. */
export function exchanges({ subgroupSize = 0 }: DeviceProfile): boolean {
  return subgroupSize >= SUBGROUP;
}

/**
 * What weights and caches are kept in. Kernels follow: those that read textures are the broadcasting
 * ones.
 */
export function tensorKind(device: DeviceProfile): MemoryKind {
  return broadcasts(device) ? "texture" : "storage";
}

/** Numbers that were measured to be best on a device, by kernel and shape (`linearKey` ...). */
export type TuningTable = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What any table may say; other numbers are not looked at. */
const CHOICES: Readonly<Record<string, readonly number[]>> = {
  "linear rows": [8, 16, 32],
  "linear tile": [32, 64],
  "linear slices": [1, 2, 4],
  "linear shuffle": [0, 1],
  "conv2d rows": [8, 16, 32, 64],
  "conv2d tile": [32, 64],
  "conv2d slices": [1, 2, 4],
  "conv2d shuffle": [0, 1],
  "attention lanes": [32, 64, 128],
  "attention split": [1, 2, 4, 8, 16],
};

/** Numbers that are worth a measurement for a kernel's parameter, e.g. `linear rows`. */
export function choices(parameter: string): readonly number[] {
  return CHOICES[parameter] ?? [];
}

/** The built-in choice, and over it what was measured here. */
function tuned<T extends object>({ tuning }: DeviceProfile, key: string, builtIn: T): T {
  const measured = Object.entries(tuning?.[key] ?? {}).filter(([name, value]) =>
    name in builtIn && choices(`${key.split(" ")[0]} ${name}`).includes(value)
  );
  return { ...builtIn, ...Object.fromEntries(measured) };
}

/** How a matrix product is divided: by the form for CPUs, then by those for GPUs. */
export interface ProductTuning {
  /** Rows (pixels) a workgroup of the broadcasting form. */
  readonly rows: number;
  /** Rows of a tile. */
  readonly tile: number;
  /** Groups of 64 lanes that share the k of a tile. */
  readonly slices: number;
  /** 1 where lanes exchange x within their subgroup, not through workgroup memory. */
  readonly shuffle: number;
}

/** Tiles that fill a large GPU; fewer are made smaller, then share their k among more lanes. */
const BUSY_TILES = 256;

/** The built-in choice for m rows (pixels), k numbers (channels of all taps) in each, n columns. */
function productTuning(m: number, k: number, n: number): ProductTuning {
  const tiles = (rows: number) => Math.ceil(m / rows) * Math.ceil(n / 32);
  const tile = tiles(64) >= BUSY_TILES ? 64 : 32;
  const count = tiles(tile);
  const slices = k < 256 || count >= BUSY_TILES ? 1 : count >= BUSY_TILES / 2 ? 2 : 4;
  return { rows: m <= 8 ? 8 : m <= 16 ? 16 : 32, tile, slices, shuffle: 0 };
}

/** x [m, k] times W [k, n]. */
export interface LinearShape {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly dtype: Dtype;
}

/** Where a table has a matrix product. */
export function linearKey({ m, k, n, dtype }: LinearShape): string {
  return `linear ${m}x${k}x${n} ${dtype}`;
}

/** The choice for a matrix product. */
export function linearTuning(device: DeviceProfile, shape: LinearShape): ProductTuning {
  const { m, k, n } = shape;
  return tuned(device, linearKey(shape), productTuning(m, k, n));
}

/** Pixels of all pictures, channels in and out, taps. */
export interface Conv2dShape {
  readonly pixels: number;
  readonly k: number;
  readonly n: number;
  readonly taps: number;
  readonly dtype: Dtype;
}

/** Where a table has a convolution. */
export function conv2dKey({ pixels, k, n, taps, dtype }: Conv2dShape): string {
  return `conv2d ${pixels}x${k}x${n} ${taps} ${dtype}`;
}

/** The choice for a convolution. */
export function conv2dTuning(device: DeviceProfile, shape: Conv2dShape): ProductTuning {
  const { pixels, k, n, taps } = shape;
  return tuned(device, conv2dKey(shape), productTuning(pixels, taps * k, n));
}

/** How attention is divided. */
export interface AttentionTuning {
  /** Lanes of a workgroup of the form for GPUs, a query each. */
  readonly lanes: number;
  /** Parts of the keys, merged afterwards (flash-decoding). */
  readonly split: number;
}

/** What attention's choice depends on; `rows` are heads times videos, `slots` what a cache holds. */
export interface AttentionShape {
  readonly queries: number;
  readonly slots: number;
  readonly rows: number;
  readonly dtype: Dtype;
}

/** Workgroups that keep a large GPU busy, and the fewest keys that are worth a part of their own. */
const BUSY = 512;
const KEYS_A_PART = 256;
const MOST_PARTS = 16;

/** Where a table has an attention; caches of about the same size share an entry. */
export function attentionKey({ queries, slots, rows, dtype }: AttentionShape): string {
  return `attention ${queries} of ${2 ** Math.round(Math.log2(slots))}x${rows} ${dtype}`;
}

/** The choice for an attention: keys are split where the queries alone do not fill a GPU. */
export function attentionTuning(device: DeviceProfile, shape: AttentionShape): AttentionTuning {
  const { queries, slots, rows } = shape;
  const groups = Math.ceil(queries / 64) * rows;
  const parts = Math.min(Math.ceil(BUSY / groups), Math.floor(slots / KEYS_A_PART), MOST_PARTS);
  const builtIn = device.cpu ? { lanes: 8, split: 1 } : { lanes: 64, split: Math.max(1, parts) };
  return tuned(device, attentionKey(shape), builtIn);
}
