// [q; k; v] = LN(x) (1 + scale) + shift, times W, plus bias, as `linear` computes it. What
// `qk_norm_rope` does to it is done before it leaves the registers: q and k are RMS-normalised per
// head and rotated, q is scaled by 1 / sqrt(64) and stored, k and v go straight into their cache
// slots. The two blocks of a workgroup are a head: BLOCKS must be 2.

override HALF_CACHE: bool = false;   // caches of half floats, two to a word

const NORM = true;

struct Params {
  m: u32,             // rows of x: tokens of the pass, all videos
  k: u32,             // columns of x, a multiple of 4
  n: u32,             // 3 heads 64
  biased: u32,
  tokens: u32,        // tokens per frame
  table_stride: u32,  // floats per row of the modulation table
  norm_shift: u32,    // offsets in a row
  norm_scale: u32,
  heads: u32,
  frames: u32,        // frames per video
  slots: u32,         // cache slots per head
  columns: u32,       // these: see rope.wgsl
  spread: u32,
  time_pairs: u32,
  row_pairs: u32,
  time: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;     // [N]
@group(0) @binding(4) var<storage, read> table: array<vec4<f32>>;    // [R, table_stride]
@group(0) @binding(5) var<storage, read> frames: array<Frame>;       // [B, F]
@group(0) @binding(6) var<storage, read> norms: array<vec4<f32>>;    // [2, 64]: q's weights, k's
@group(0) @binding(7) var<storage, read> rope: array<vec4<f32>>;     // (cos, sin): space, then time
@group(0) @binding(8) var<storage, read_write> q: array<vec4<f32>>;  // [M, d]
@group(0) @binding(9) var<storage, read_write> k: array<vec2<u32>>;  // [B, heads, slots, 64]
@group(0) @binding(10) var<storage, read_write> v: array<vec2<u32>>; // [B, heads, slots, 64]

// A head of q (0), k (1) or v (2), and a lane's four dims of it.
struct Head { which: u32, head: u32, dims4: u32, }

fn squares(a: mat4x4<f32>) -> vec4<f32> {
  return vec4(dot(a[0], a[0]), dot(a[1], a[1]), dot(a[2], a[2]), dot(a[3], a[3]));
}

// 1 / rms of four rows: what the sixteen lanes of a head have left, added up.
fn inverse_roots(lane: u32, half: u32) -> vec4<f32> {
  let eight = lane - lane % 8u;
  var sum = vec4(0.0);
  for (var c = 0u; c < 8u; c++) {
    sum += left_by(eight + c, half) + left_by(64u + eight + c, half);
  }
  return vec4(inverse_root(sum.x), inverse_root(sum.y), inverse_root(sum.z), inverse_root(sum.w));
}

// `i` counts four dims of the cache.
fn to_cache(which: u32, i: u32, x: vec4<f32>) {
  if (HALF_CACHE) {
    if (which == 1u) { k[i] = halves(x); } else { v[i] = halves(x); }
    return;
  }
  let bits = bitcast<vec4<u32>>(x);
  if (which == 1u) {
    k[2u * i] = bits.xy;
    k[2u * i + 1u] = bits.zw;
  } else {
    v[2u * i] = bits.xy;
    v[2u * i + 1u] = bits.zw;
  }
}

fn store(row: u32, h: Head, x: vec4<f32>, inverse: f32) {
  if (row >= params.m) { return; }
  let token = row % params.tokens;
  let frame = row / params.tokens;
  let video = frame / params.frames;
  let slot = (video * params.heads + h.head) * params.slots + frames[frame].slot + token;
  if (h.which == 2u) {
    to_cache(2u, slot * 16u + h.dims4, x);
    return;
  }
  let normed = x * inverse * norms[16u * h.which + h.dims4];
  let rotated = rotate(normed, angle(h.dims4, frame % params.frames, token));
  if (h.which == 1u) {
    to_cache(1u, slot * 16u + h.dims4, rotated);
  } else {
    q[(row * params.heads + h.head) * 16u + h.dims4] = rotated * 0.125;
  }
}

fn store_rows(row: u32, h: Head, a: mat4x4<f32>, inverse: vec4<f32>) {
  store(row, h, a[0], inverse.x);
  store(row + 8u, h, a[1], inverse.y);
  store(row + 16u, h, a[2], inverse.z);
  store(row + 24u, h, a[3], inverse.w);
}

fn finish_tile(place: Place, sums: Sums) {
  var b = vec4(0.0);
  if (params.biased > 0u) { b = bias[place.block * 8u + place.lane % 8u]; }
  let each = mat4x4(b, b, b, b);
  let s = Sums(sums.a + each, sums.b + each);
  workgroupBarrier();
  if (place.slice == 0u) {
    let own = 64u * (place.block % 2u) + place.lane;
    leave(own, 0u, squares(s.a));
    if (ROWS > 32u) { leave(own, 1u, squares(s.b)); }
  }
  workgroupBarrier();
  if (place.slice > 0u) { return; }
  let pair = place.block / 2u;
  let dims4 = place.block % 2u * 8u + place.lane % 8u;
  let h = Head(pair / params.heads, pair % params.heads, dims4);
  let first = place.tile * ROWS + place.lane / 8u;
  store_rows(first, h, s.a, inverse_roots(place.lane, 0u));
  if (ROWS > 32u) { store_rows(first + 32u, h, s.b, inverse_roots(place.lane, 1u)); }
}
