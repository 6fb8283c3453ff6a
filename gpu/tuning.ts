import type { Dtype, MemoryKind } from "./memory.ts";

/** Lanes whose values the broadcasting kernels exchange. */
const SUBGROUP = 8;

/**
 * Device properties that select a kernel variant: taken from the adapter, or assumed when recording
 * without one.
 */
export interface DeviceProfile {
  /** The adapter's name, such as "AMD Radeon RX 7900 XTX (RADV NAVI31)". */
  readonly name?: string;
  /** A software adapter: few lanes, slow workgroup memory, fast loads shared by all lanes. */
  readonly cpu: boolean;
  /** Lanes guaranteed to be able to exchange values; 0 for none. Absent: 8 on software adapters. */
  readonly subgroupSize?: number;
  /** Whether workgroups may have 512 lanes and 32 kB of memory, twice what every device allows. */
  readonly wide?: boolean;
  /** Buffers that a kernel may have; absent: 8, what every device allows. */
  readonly storageBuffers?: number;
  /** Whether shaders can compute in f16. */
  readonly f16?: boolean;
  /** The fastest parameters, as measured by `tuneModel`. */
  readonly tuning?: TuningTable;
}

/** Whether to use the broadcasting kernels: on software adapters that can exchange values. */
export function broadcasts({ cpu, subgroupSize = SUBGROUP }: DeviceProfile): boolean {
  return cpu && subgroupSize >= SUBGROUP;
}

/** Whether so many lanes are guaranteed to exchange values within a subgroup. */
export function exchanges({ subgroupSize = 0 }: DeviceProfile, lanes = SUBGROUP): boolean {
  return subgroupSize >= lanes;
}

/** Whether the lanes that share a head's dims in attention exchange values, each 16 bytes of them. */
export function exchangesHeads(device: DeviceProfile, dtype: Dtype): boolean {
  return exchanges(device, dtype === "f16" ? 8 : 16);
}

/** Whether a kernel may have the buffers that queries, keys and values take in one dispatch. */
export function fusesHeads({ storageBuffers = 8 }: DeviceProfile): boolean {
  return storageBuffers >= 10;
}

/** The kind of memory for weights and caches: textures for the broadcasting kernels. */
export function tensorKind(device: DeviceProfile): MemoryKind {
  return broadcasts(device) ? "texture" : "storage";
}

/** Parameters measured to be the fastest on a device, by kernel and shape (`linearKey` ...). */
export type TuningTable = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** The values a table may have; others are ignored. */
const CHOICES: Readonly<Record<string, readonly number[]>> = {
  "linear rows": [8, 16, 32],
  "linear tile": [32, 64],
  "linear slices": [1, 2, 4, 8],
  "linear blocks": [1, 2],
  "linear ahead": [1, 2, 4],
  "linear shuffle": [0, 1],
  "linear packed": [0, 1],
  "linear split": [1, 4, 8, 16],
  "qkv tile": [32, 64],
  "qkv slices": [1, 2, 4],
  "qkv ahead": [1, 2, 4],
  "qkv shuffle": [0, 1],
  "qkv packed": [0, 1],
  "conv2d rows": [8, 16, 32, 64],
  "conv2d tile": [32, 64],
  "conv2d slices": [1, 2, 4, 8],
  "conv2d blocks": [1, 2],
  "conv2d ahead": [1, 2, 4],
  "conv2d shuffle": [0, 1],
  "attention ahead": [0, 1],
  "attention shuffle": [0, 1],
  "attention parts": [1, 4, 8],
  "attention split": [1, 2, 4, 8, 16],
};

/** Values worth measuring for a kernel's parameter, such as `linear rows`. */
export function choices(parameter: string): readonly number[] {
  return CHOICES[parameter] ?? [];
}

/** The built-in choice, overridden by what was measured on this device. */
function tuned<T extends object>({ tuning }: DeviceProfile, key: string, builtIn: T): T {
  const measured = Object.entries(tuning?.[key] ?? {}).filter(([name, value]) =>
    name in builtIn && choices(`${key.split(" ")[0]} ${name}`).includes(value)
  );
  return { ...builtIn, ...Object.fromEntries(measured) };
}

/** Tiling of a matrix product: for the form for CPUs, then for those for GPUs. */
export interface ProductTuning {
  /** Rows (pixels) per workgroup of the broadcasting form. */
  readonly rows: number;
  /** Rows of a tile. */
  readonly tile: number;
  /** Groups of lanes that share the k of a tile. */
  readonly slices: number;
  /** Blocks of 32 columns, 64 lanes each, that share the x of a tile. */
  readonly blocks: number;
  /** Vec4s of k whose weights are asked for at once: as many as registers hold. */
  readonly ahead: number;
  /** 1 if lanes exchange x within their subgroup instead of through workgroup memory. */
  readonly shuffle: number;
  /** 1 if 16 products of f16 weights are added up in f16, in a transformer's blocks. */
  readonly packed: number;
  /** Workgroups that share the k of a tile: their sums take another dispatch. */
  readonly split: number;
}

/**
 * Tiles that fill a large GPU; if there are fewer, they get smaller, then split their k among more
 * lanes.
 */
const BUSY_TILES = 256;
/** The least k worth dividing: three steps of 16 for each of four groups. */
const LEAST_SLICED = 192;
/** So few tiles that each gets as many lanes as a workgroup may have. */
const IDLE_TILES = 64;

/**
 * Whether lanes had better exchange x within subgroups, without knowing more than the name: AMD's
 * compiler then never waits for workgroup memory or barriers.
 */
function prefersShuffles(device: DeviceProfile): boolean {
  return exchanges(device) && /\b(AMD|Radeon|RADV)\b/i.test(device.name ?? "");
}

/**
 * Whether registers are so few that tiles of 64 rows, or what is asked for in one step and used in the
 * next, spill: as Intel's compiler counts, for all of its GPUs.
 */
function spills({ name }: DeviceProfile): boolean {
  return /\bIntel\b/i.test(name ?? "");
}

/** The built-in choice for m rows (pixels), k numbers (channels of all taps) in each, n columns. */
function productTuning(
  device: DeviceProfile,
  [m, k, n]: readonly [m: number, k: number, n: number],
  norm = false,
): ProductTuning {
  const tiles = (rows: number) => Math.ceil(m / rows) * Math.ceil(n / 32);
  const tile = tiles(64) >= BUSY_TILES && !spills(device) ? 64 : 32;
  const count = tiles(tile);
  const most = device.wide && k >= 512 && count <= IDLE_TILES ? 8 : 4;
  const slices = k < LEAST_SLICED || count >= BUSY_TILES ? 1 : count >= BUSY_TILES / 2 ? 2 : most;
  // normalising x takes more than passing it on: as few lanes as possible should do it
  const blocks = norm && n > 32 && (slices <= 2 || device.wide) ? 2 : 1;
  const shuffle = Number(prefersShuffles(device) && !norm);
  const rows = m <= 8 ? 8 : m <= 16 ? 16 : 32;
  const ahead = spills(device) ? 4 : tile > 32 ? 1 : 2;
  return { rows, tile, slices, blocks, ahead, shuffle, packed: 0, split: 1 };
}

/** x [m, k] times W [k, n]. */
export interface LinearShape {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly dtype: Dtype;
  /** Whether x is normalised on its way in. */
  readonly norm?: boolean;
  /** Whether the result is added to what is there. */
  readonly into?: boolean;
}

/** A matrix product's key in a table. */
export function linearKey({ m, k, n, dtype, norm, into }: LinearShape): string {
  return `linear ${m}x${k}x${n} ${dtype}${norm ? " norm" : ""}${into ? " into" : ""}`;
}

/** The choice for a matrix product. */
export function linearTuning(device: DeviceProfile, shape: LinearShape): ProductTuning {
  const { m, k, n, norm } = shape;
  return tuned(device, linearKey(shape), productTuning(device, [m, k, n], norm));
}

/** What a projection to queries, keys and values depends on. */
export type QkvShape = Pick<LinearShape, "m" | "k" | "n" | "dtype">;

/** The key of such a projection in a table. */
export function qkvKey({ m, k, n, dtype }: QkvShape): string {
  return `qkv ${m}x${k}x${n} ${dtype}`;
}

/** The choice for it: heads are two blocks of columns. */
export function qkvTuning(device: DeviceProfile, shape: QkvShape): ProductTuning {
  const { m, k, n } = shape;
  const choice = productTuning(device, [m, k, n], true);
  return { ...tuned(device, qkvKey(shape), choice), blocks: 2 };
}

/** Pixels of all pictures, channels in and out, taps. */
export interface Conv2dShape {
  readonly pixels: number;
  readonly k: number;
  readonly n: number;
  readonly taps: number;
  readonly dtype: Dtype;
}

/** A convolution's key in a table. */
export function conv2dKey({ pixels, k, n, taps, dtype }: Conv2dShape): string {
  return `conv2d ${pixels}x${k}x${n} ${taps} ${dtype}`;
}

/** The choice for a convolution. */
export function conv2dTuning(device: DeviceProfile, shape: Conv2dShape): ProductTuning {
  const { pixels, k, n, taps } = shape;
  return tuned(device, conv2dKey(shape), productTuning(device, [pixels, taps * k, n]));
}

/** Tiling of attention. */
export interface AttentionTuning {
  /** 1 if a lane asks for the next keys before it uses those that are there, on GPUs. */
  readonly ahead: number;
  /** 1 if lanes add up scores within their subgroup instead of through workgroup memory. */
  readonly shuffle: number;
  /** Groups of 64 lanes that share keys: of a workgroup where lanes shuffle, else one each. */
  readonly parts: number;
  /** Parts of the keys among workgroups, merged afterwards (flash-decoding). */
  readonly split: number;
}

/**
 * What the choice for attention depends on; `rows` are heads times videos, `slots` the cache's
 * capacity.
 */
export interface AttentionShape {
  readonly queries: number;
  readonly slots: number;
  readonly rows: number;
  readonly dtype: Dtype;
}

/** Groups of 64 lanes that keep a large GPU busy, and the fewest keys worth a separate part. */
const BUSY = 384;
const KEYS_A_PART = 48;
const MOST_PARTS = 16;
/** Queries of a workgroup. */
const QUERIES = 16;

/**
 * Whether a few dozen workgroups reach all of a GPU, if these are large: AMD's, Apple's and Intel's
 * have at most 48 cores that share workgroup memory, NVIDIA's up to 144.
 */
function hasFewCores({ name }: DeviceProfile): boolean {
  return /\b(AMD|Radeon|RADV|Apple|Intel)\b/i.test(name ?? "");
}

/** An attention's key in a table; caches of about the same size share an entry. */
export function attentionKey({ queries, slots, rows, dtype }: AttentionShape): string {
  return `attention ${queries} of ${2 ** Math.round(Math.log2(slots))}x${rows} ${dtype}`;
}

/**
 * The choice for an attention: keys are divided if the queries alone do not fill a GPU, within
 * workgroups as far as possible where these may be few, as that saves the merging.
 */
export function attentionTuning(device: DeviceProfile, shape: AttentionShape): AttentionTuning {
  const { queries, slots, rows, dtype } = shape;
  const shuffle = Number(exchangesHeads(device, dtype));
  const groups = Math.ceil(queries / QUERIES) * rows;
  const wanted = device.cpu
    ? 1
    : Math.min(Math.ceil(BUSY / groups), Math.floor(slots / KEYS_A_PART), MOST_PARTS);
  const within = shuffle && hasFewCores(device) ? [8, 4].filter((n) => device.wide || n < 8) : [];
  const parts = within.find((n) => n <= wanted) ?? 1;
  const split = Math.max(1, Math.floor(wanted / parts));
  const ahead = Number(!spills(device));
  return tuned(device, attentionKey(shape), { ahead, shuffle, parts, split });
}
