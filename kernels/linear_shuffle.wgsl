// Joined after fragments: frame, weights, linear, tile, floats, tile_output, linear_tile,
// tile_shuffle.
// `linear` for GPUs whose lanes pass x to each other within a subgroup.

@compute @workgroup_size(LANES * SLICES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  eight = lane - lane % 8u;
  product(group.z * groups.x + group.x, group.y, index);
}
