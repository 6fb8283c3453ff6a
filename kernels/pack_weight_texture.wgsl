// Joined after fragments: quotient, pack_weight.
// `pack_weight` into a texture.

@group(0) @binding(2) var packed: texture_storage_2d<rgba32uint, write>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  for (var j = 0u; j < params.depth; j++) {
    let p = piece(group.x * 32u + lane, group.y * params.depth + j);
    if (p.valid) { textureStore(packed, vec2(p.at % 1024u, p.at / 1024u), p.words); }
  }
}
