// Joined after fragments: frame, weights, rope, qkv, tile, floats, linear_tile, tile_memory.
// `qkv` for GPUs whose lanes pass x to each other through workgroup memory.

@compute @workgroup_size(LANES * SLICES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  product(group.z * groups.x + group.x, group.y, index);
}
