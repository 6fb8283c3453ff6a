// Joined after fragments: frame, rope, qk_norm_rope.
// `qk_norm_rope` with caches in buffers.

@group(0) @binding(7) var<storage, read_write> k: array<vec4<u32>>;  // [B, heads, slots, 64]
@group(0) @binding(8) var<storage, read_write> v: array<vec4<u32>>;  // [B, heads, slots, 64]

fn put(which: u32, i: u32, words: vec4<u32>) {
  if (which == 1u) { k[i] = words; } else { v[i] = words; }
}

var<workgroup> squares: array<f32, 64>;

// Eight lanes share one of q, k, v of a token and head, so neighbours load what lies side by side.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 8u + lane / 8u;
  let count = params.m * params.heads;
  let o = lane % 8u;
  let p = place_of(min(i, count - 1u), group.y);
  let lo = qkv[p.source + 2u * o];
  let hi = qkv[p.source + 2u * o + 1u];
  squares[lane] = dot(lo, lo) + dot(hi, hi);
  workgroupBarrier();
  let eight = lane - o;
  let sum = ((squares[eight] + squares[eight + 1u]) + (squares[eight + 2u] + squares[eight + 3u])) +
    ((squares[eight + 4u] + squares[eight + 5u]) + (squares[eight + 6u] + squares[eight + 7u]));
  if (i >= count) { return; }
  if (group.y == 2u) {
    to_cache(2u, p.octet + o, lo, hi);
  } else {
    store_octet(p, group.y, o, lo * inverse_root(sum), hi * inverse_root(sum));
  }
}
