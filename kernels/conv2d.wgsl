// Joined after fragments: weights, conv2d, tile, floats, tile_output, conv2d_tile, tile_memory.
// `conv2d` for GPUs whose lanes pass x to each other through workgroup memory.

@compute @workgroup_size(LANES * SLICES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  product(group.z * groups.x + group.x, group.y, index);
}
