// [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias, NHWC: what a GLU gates, of the
// pixels of a strip (see depthwise_strip.wgsl).

struct Params {
  count: u32,      // lanes: B H ceil(W / 4) C / 4
  height: u32,
  width: u32,
  channels: u32,   // C, channels of y; x has twice as many
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, H, W, 2 C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [taps, 2 C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [2 C]

struct Halves { a: mat4x4<f32>, g: mat4x4<f32>, }   // a column per pixel

fn halves(s: Strip) -> Halves {
  let half = params.channels / 4u;
  let step = 2u * half;
  let line = params.width * step;
  let a = bias[s.c4];
  let g = bias[half + s.c4];
  var h = Halves(mat4x4(a, a, a, a), mat4x4(g, g, g, g));
  let first = max(s.row, 1u) - 1u;
  let end = min(s.row + 2u, params.height);
  var at = s.pixel * step + s.c4 - (s.row - first) * line;
  var tap = (first + 1u - s.row) * 3u * step + s.c4;
  for (var row = first; row < end; row++) {
    let in_a = seen(s, at, tap, step);
    let in_g = seen(s, at + half, tap + half, step);
    h.a = add_taps(h.a, in_a);
    h.g = add_taps(h.g, in_g);
    at += line;
    tap += 3u * step;
  }
  return h;
}

// Hands both halves of a strip's pixels to the kernel's `finish`.
fn finish_strip(id: u32) {
  let s = strip_of(id);
  let h = halves(s);
  finish(s.pixel, s.c4, h.a[0], h.g[0]);
  if (s.left > 1u) { finish(s.pixel + 1u, s.c4, h.a[1], h.g[1]); }
  if (s.left > 2u) { finish(s.pixel + 2u, s.c4, h.a[2], h.g[2]); }
  if (s.left > 3u) { finish(s.pixel + 3u, s.c4, h.a[3], h.g[3]); }
}
