import type { DeviceProfile, ProductTuning } from "../gpu/tuning.ts";

/** Most workgroups per dimension that every device allows, rounded down. */
const WIDEST = 32768;

/**
 * Workgroups for `lanes` lanes, `size` per workgroup, folded into two dimensions if one is too
 * short; a kernel computes its index as `group.y * groups.x + group.x` (`num_workgroups`).
 */
export function grid(lanes: number, size: number): readonly [number, number, number] {
  const groups = Math.ceil(lanes / size);
  const width = Math.min(groups, WIDEST);
  return [width, Math.ceil(groups / width), 1];
}

/** Columns of a tile of fragments/tile.wgsl. */
const TILE_COLUMNS = 32;

/** Workgroups of a matrix product of m rows and n columns, so many for the k of each tile. */
export function tileGrid(
  m: number,
  n: number,
  { tile, blocks }: Pick<ProductTuning, "tile" | "blocks">,
  split = 1,
): readonly [number, number, number] {
  const [width, folds] = grid(m, tile);
  return [width, Math.ceil(n / (TILE_COLUMNS * blocks)) * split, folds];
}

/** Constants of fragments/tile.wgsl, as far as the device has lanes and workgroup memory for them. */
export function tileConstants(
  { wide }: DeviceProfile,
  { tile, slices, blocks, ahead }: Pick<ProductTuning, "tile" | "slices" | "blocks" | "ahead">,
): Record<"ROWS" | "SLICES" | "BLOCKS" | "AHEAD", number> {
  const most = (wide ? 8 : 4) / (tile / 32) / blocks;
  return { ROWS: tile, SLICES: Math.min(slices, most), BLOCKS: blocks, AHEAD: ahead };
}
