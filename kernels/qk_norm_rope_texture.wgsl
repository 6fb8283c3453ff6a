// Joined after fragments: frame, qk_norm_rope.
// `qk_norm_rope` with caches in textures.

@group(0) @binding(7) var k: texture_storage_2d<rgba32uint, write>;  // [B, heads, slots, 64]
@group(0) @binding(8) var v: texture_storage_2d<rgba32uint, write>;  // [B, heads, slots, 64]

fn put(which: u32, i: u32, words: vec4<u32>) {
  let at = vec2(i % 1024u, i / 1024u);
  if (which == 1u) { textureStore(k, at, words); } else { textureStore(v, at, words); }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  norm_rope(group.x * 64u + lane, group.y);
}
