// Joined after fragments: lane, quotient, depthwise_strip.
// y of a depthwise 3 x 3 convolution (zero padding) led back: the gradient of its input, if x is that of
// its result. y[p, c] = sum over taps of x[p - tap, c] w[tap, c].

struct Params {
  count: u32,      // lanes: B H ceil(W / 4) C / 4
  height: u32,
  width: u32,
  channels: u32,   // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [B, H, W, C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;        // [taps, C]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;  // [B, H, W, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let s = strip_of(id);
  let step = params.channels / 4u;
  let line = params.width * step;
  let i = s.pixel * step + s.c4;
  let first = max(s.row, 1u) - 1u;
  let end = min(s.row + 2u, params.height);
  var at = i - (s.row - first) * line;
  var tap = (1u + s.row - first) * 3u * step + s.c4;   // the rows of taps backwards
  var sums = mat4x4<f32>();
  for (var row = first; row < end; row++) {
    var v = seen(s, at, tap, step);
    v.taps = mat3x4(v.taps[2], v.taps[1], v.taps[0]);
    sums = add_taps(sums, v);
    at += line;
    tap -= 3u * step;
  }
  y[i] = sums[0];
  if (s.left > 1u) { y[i + step] = sums[1]; }
  if (s.left > 2u) { y[i + 2u * step] = sums[2]; }
  if (s.left > 3u) { y[i + 3u * step] = sums[3]; }
}
