/** Most workgroups in one dimension that every device takes, rounded down. */
const WIDEST = 32768;

/**
 * Workgroups for `lanes` lanes, `size` a workgroup, folded into two dimensions where one is too
 * short; a kernel finds its number as `group.y * groups.x + group.x` (`num_workgroups`).
 */
export function grid(lanes: number, size: number): readonly [number, number, number] {
  const groups = Math.ceil(lanes / size);
  const width = Math.min(groups, WIDEST);
  return [width, Math.ceil(groups / width), 1];
}
