// Of qkv = [q; k; v] per token: q and k are RMS-normalised per head and rotated (RoPE), q is scaled
// by 1 / sqrt(64) and stored, k and v go straight into their cache slots.

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

// Half floats end at 65504; what lies beyond would be infinite, or anything.
fn halves(x: vec4<f32>) -> vec2<u32> {
  let finite = clamp(x, vec4(-65504.0), vec4(65504.0));
  return vec2(pack2x16float(finite.xy), pack2x16float(finite.zw));
}

fn to_cache(which: u32, octet: u32, lo: vec4<f32>, hi: vec4<f32>) {
  if (F16) {
    put(which, octet, vec4(halves(lo), halves(hi)));
  } else {
    put(which, 2u * octet, bitcast<vec4<u32>>(lo));
    put(which, 2u * octet + 1u, bitcast<vec4<u32>>(hi));
  }
}

// One of q, k, v of a token and head: where it is in qkv, in q and in its cache, and its token.
struct Place { source: u32, to: u32, octet: u32, frame: u32, token: u32, }

fn place_of(i: u32, which: u32) -> Place {
  let row = i / params.heads;
  let head = i % params.heads;
  let slot = frames[row / params.tokens].slot + row % params.tokens;
  let video = row / (params.frames * params.tokens);
  return Place(
    (row * 3u + which) * params.heads * 16u + head * 16u,
    i * 16u,
    ((video * params.heads + head) * params.slots + slot) * 8u,
    (row / params.tokens) % params.frames,
    row % params.tokens,
  );
}

// 1 / the root of the mean of 64 squares.
fn inverse_root(squares: f32) -> f32 { return inverseSqrt(squares / 64.0 + 1e-6); }

// Rotates and stores eight dims of q or k, normalised already.
fn store_octet(p: Place, which: u32, o: u32, lo: vec4<f32>, hi: vec4<f32>) {
  let j = 2u * o;
  let at_lo = angle(j, p.frame, p.token);
  let at_hi = angle(j + 1u, p.frame, p.token);
  if (which == 0u) {
    q[p.to + j] = rotate(lo * q_weight[j], at_lo) * 0.125;
    q[p.to + j + 1u] = rotate(hi * q_weight[j + 1u], at_hi) * 0.125;
  } else {
    let first = rotate(lo * k_weight[j], at_lo);
    to_cache(1u, p.octet + o, first, rotate(hi * k_weight[j + 1u], at_hi));
  }
}
