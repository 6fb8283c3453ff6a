// Of qkv = [q; k; v] per token: q and k are RMS-normalised per head and rotated (RoPE), q is scaled
// by 1 / sqrt(64) and stored, k and v go straight into their cache slots.
// One lane per (token, head) and per one of q, k, v.

override F16: bool = false;   // caches of half floats, two to a word

struct Params {
  m: u32,            // tokens of the pass, all videos
  heads: u32,
  tokens: u32,       // tokens per frame
  frames: u32,       // frames per video
  columns: u32,      // tokens per row of a frame
  spread: u32,       // factor of row and column positions (context patches)
  slots: u32,        // cache slots per head
  time_pairs: u32,   // vec4s of the head rotated by the frame index, two pairs each
  row_pairs: u32,
  time: u32,         // start of the pass's frame angles in `rope`, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;       // [M, 3 d]
@group(0) @binding(2) var<storage, read> q_weight: array<vec4<f32>>;  // [64]
@group(0) @binding(3) var<storage, read> k_weight: array<vec4<f32>>;  // [64]
@group(0) @binding(4) var<storage, read> frames: array<Frame>;         // [B, F]
@group(0) @binding(5) var<storage, read> rope: array<vec4<f32>>;      // (cos, sin) pairs: space, then time
@group(0) @binding(6) var<storage, read_write> q: array<vec4<f32>>;   // [M, d]

fn rotate(x: vec4<f32>, angle: vec4<f32>) -> vec4<f32> {
  return vec4(
    x.x * angle.x - x.y * angle.y, x.y * angle.x + x.x * angle.y,
    x.z * angle.z - x.w * angle.w, x.w * angle.z + x.z * angle.w,
  );
}

// cos and sin for the i-th vec4 of a head: frame index first, then row, then column.
fn angle(i: u32, frame: u32, token: u32) -> vec4<f32> {
  if (i < params.time_pairs) { return rope[params.time + frame * params.time_pairs + i]; }
  var position = (token / params.columns) * params.spread;
  if (i >= params.time_pairs + params.row_pairs) {
    position = (token % params.columns) * params.spread;
  }
  return rope[position * (16u - params.time_pairs) + i - params.time_pairs];
}

fn to_cache(which: u32, octet: u32, lo: vec4<f32>, hi: vec4<f32>) {
  if (F16) {
    let halves = vec4(
      pack2x16float(lo.xy), pack2x16float(lo.zw), pack2x16float(hi.xy), pack2x16float(hi.zw),
    );
    put(which, octet, halves);
  } else {
    put(which, 2u * octet, bitcast<vec4<u32>>(lo));
    put(which, 2u * octet + 1u, bitcast<vec4<u32>>(hi));
  }
}

// One of q, k, v of a token and head.
fn norm_rope(i: u32, which: u32) {
  if (i >= params.m * params.heads) { return; }
  let row = i / params.heads;
  let head = i % params.heads;
  let source = (row * 3u + which) * params.heads * 16u + head * 16u;
  let slot = frames[row / params.tokens].slot + row % params.tokens;
  let video = row / (params.frames * params.tokens);
  let target_octet = ((video * params.heads + head) * params.slots + slot) * 8u;

  if (which == 2u) {
    for (var o = 0u; o < 8u; o++) {
      to_cache(2u, target_octet + o, qkv[source + 2u * o], qkv[source + 2u * o + 1u]);
    }
    return;
  }
  var sum = 0.0;
  for (var j = 0u; j < 16u; j++) {
    let x = qkv[source + j];
    sum += dot(x, x);
  }
  let inverse = inverseSqrt(sum / 64.0 + 1e-6);
  let frame = (row / params.tokens) % params.frames;
  let token = row % params.tokens;
  for (var o = 0u; o < 8u; o++) {
    let j = 2u * o;
    var lo = qkv[source + j] * inverse;
    var hi = qkv[source + j + 1u] * inverse;
    let at_lo = angle(j, frame, token);
    let at_hi = angle(j + 1u, frame, token);
    if (which == 0u) {
      q[row * params.heads * 16u + head * 16u + j] = rotate(lo * q_weight[j], at_lo) * 0.125;
      q[row * params.heads * 16u + head * 16u + j + 1u] =
        rotate(hi * q_weight[j + 1u], at_hi) * 0.125;
    } else {
      lo = rotate(lo * k_weight[j], at_lo);
      hi = rotate(hi * k_weight[j + 1u], at_hi);
      to_cache(1u, target_octet + o, lo, hi);
    }
  }
}
