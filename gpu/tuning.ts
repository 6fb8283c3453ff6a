import type { DeviceProfile } from "./program.ts";

/** How a matrix product is computed. */
export type LinearVariant =
  /** Lanes load for each other, by subgroup broadcast; rows a workgroup. For CPUs. */
  | { readonly form: "broadcast"; readonly rows: 8 | 16 | 32 | 64 }
  /** Tiles through workgroup memory; groups of 64 lanes that share a tile's k. */
  | { readonly form: "tiled"; readonly slices: 1 | 2 | 4 };

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
  if (broadcasts(device)) {
    return { form: "broadcast", rows: m <= 8 ? 8 : m <= 16 ? 16 : m <= 32 ? 32 : 64 };
  }
  const tiles = Math.ceil(m / 32) * Math.ceil(n / 32);
  const slices = k < 256 || tiles >= BUSY_TILES ? 1 : tiles >= BUSY_TILES / 2 ? 2 : 4;
  return { form: "tiled", slices };
}
