// Where a lane is, for kernels with an item per lane and workgroups folded into two dimensions.
struct Lane {
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
}

// The item of a lane; workgroups have `size` lanes.
fn item_of(lane: Lane, size: u32) -> u32 {
  return (lane.group.y * lane.groups.x + lane.group.x) * size + lane.index;
}
