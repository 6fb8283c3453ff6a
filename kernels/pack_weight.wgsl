// `pack_weight` into a buffer.

@group(0) @binding(2) var<storage, read_write> packed: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let p = piece(group, lane);
  if (p.valid) { packed[p.at] = p.words; }
}
