// Joined after fragments: frame, qk_norm_rope.
// `qk_norm_rope` with caches in buffers.

@group(0) @binding(7) var<storage, read_write> k: array<vec4<u32>>;  // [B, heads, slots, 64]
@group(0) @binding(8) var<storage, read_write> v: array<vec4<u32>>;  // [B, heads, slots, 64]

fn put(which: u32, i: u32, words: vec4<u32>) {
  if (which == 1u) { k[i] = words; } else { v[i] = words; }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  norm_rope(group.x * 64u + lane, group.y);
}
