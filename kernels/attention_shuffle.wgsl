// Joined after fragments: frame, step, attention, attention_lanes, attention_shuffle.
// `attention` for GPUs whose lanes add up scores within a subgroup.

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  attention(group, lane);
}
