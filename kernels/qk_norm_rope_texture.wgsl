// Joined after fragments: frame, rope, qk_norm_rope.
// `qk_norm_rope` with caches in textures.

@group(0) @binding(7) var k: texture_storage_2d<rgba32uint, write>;  // [B, heads, slots, 64]
@group(0) @binding(8) var v: texture_storage_2d<rgba32uint, write>;  // [B, heads, slots, 64]

fn put(which: u32, i: u32, words: vec4<u32>) {
  let at = vec2(i % 1024u, i / 1024u);
  if (which == 1u) { textureStore(k, at, words); } else { textureStore(v, at, words); }
}

// By one lane.
fn norm_rope(p: Place, which: u32) {
  if (which == 2u) {
    for (var o = 0u; o < 8u; o++) {
      to_cache(2u, p.octet + o, qkv[p.source + 2u * o], qkv[p.source + 2u * o + 1u]);
    }
    return;
  }
  var sum = 0.0;
  for (var j = 0u; j < 16u; j++) {
    let x = qkv[p.source + j];
    sum += dot(x, x);
  }
  let inverse = inverse_root(sum);
  for (var o = 0u; o < 8u; o++) {
    let lo = qkv[p.source + 2u * o] * inverse;
    store_octet(p, which, o, lo, qkv[p.source + 2u * o + 1u] * inverse);
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i >= params.m * params.heads) { return; }
  norm_rope(place_of(i, group.y), group.y);
}
