// Joined after fragments: quotient, pack_weight.
// `pack_weight` into a buffer.

@group(0) @binding(2) var<storage, read_write> packed: array<vec4<u32>>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  for (var j = 0u; j < params.depth; j++) {
    let p = piece(group.x * 32u + lane, group.y * params.depth + j);
    if (p.valid) { packed[p.at] = p.words; }
  }
}
