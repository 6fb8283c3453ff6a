// Of qkv = [q; k; v] per token: q and k are RMS-normalised per head and rotated (RoPE), q is scaled
// by 1 / sqrt(64) and stored, k and v go straight into their cache slots.

override F16: bool = false;   // caches of half floats, two to a word

struct Params {
  m: u32,            // tokens of the pass, all videos
  heads: u32,
  tokens: u32,       // tokens per frame
  frames: u32,       // frames per video
  slots: u32,        // cache slots per head
  columns: u32,      // these: see rope.wgsl
  spread: u32,
  time_pairs: u32,
  row_pairs: u32,
  time: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;       // [M, 3 d]
@group(0) @binding(3) var<storage, read> norms: array<vec4<f32>>;     // [2, 64]: q's weights, k's
@group(0) @binding(4) var<storage, read> frames: array<Frame>;         // [B, F]
@group(0) @binding(5) var<storage, read> rope: array<vec4<f32>>;      // (cos, sin) pairs: space, then time
@group(0) @binding(6) var<storage, read_write> q: array<vec4<f32>>;   // [M, d]

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

// Rotates and stores eight dims of q or k, normalised already.
fn store_octet(p: Place, which: u32, o: u32, lo: vec4<f32>, hi: vec4<f32>) {
  let j = 2u * o;
  let at_lo = angle(j, p.frame, p.token);
  let at_hi = angle(j + 1u, p.frame, p.token);
  if (which == 0u) {
    q[p.to + j] = rotate(lo * norms[j], at_lo) * 0.125;
    q[p.to + j + 1u] = rotate(hi * norms[j + 1u], at_hi) * 0.125;
  } else {
    let first = rotate(lo * norms[16u + j], at_lo);
    to_cache(1u, p.octet + o, first, rotate(hi * norms[17u + j], at_hi));
  }
}
