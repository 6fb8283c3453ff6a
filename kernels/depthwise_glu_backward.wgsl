// Joined after fragments: lane.
// Gradient of y = a * SiLU(g), where [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias:
// dh = [dy SiLU(g); dy a SiLU'(g)] of both halves; and y again, which the next layer's weight needs.
// One lane computes four channels of one pixel, as forwards.

struct Params {
  count: u32,      // lanes: B H W C / 4
  height: i32,
  width: i32,
  channels: u32,   // C, channels of y; x has twice as many
  taps: i32,       // 9: a number that compilers don't know keeps the loop a loop
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [B, H, W, 2 C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;        // [taps, 2 C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;     // [2 C]
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;       // [B, H, W, C]
@group(0) @binding(5) var<storage, read_write> dh: array<vec4<f32>>; // [B, H, W, 2 C]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // [B, H, W, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let half = params.channels / 4u;
  let c = id % half;
  let pixel = i32(id / half);
  let size = vec2(params.width, params.height);
  let place = vec2(pixel % size.x, pixel / size.x % size.y);
  var a = bias[c];
  var g = bias[half + c];
  for (var tap = 0; tap < params.taps; tap++) {
    let d = vec2(tap % 3, tap / 3) - 1;
    let inside = all((place + d >= vec2(0)) & (place + d < size));
    let i = select(0u, u32(pixel + d.y * size.x + d.x), inside) * 2u * half + c;
    let j = u32(tap) * 2u * half + c;
    let weight = select(0.0, 1.0, inside);
    a += weight * x[i] * w[j];
    g += weight * x[i + half] * w[j + half];
  }
  let s = 1.0 / (1.0 + exp(-g));
  let d = dy[id];
  let to = u32(pixel) * 2u * half + c;
  dh[to] = d * g * s;
  dh[to + half] = d * a * (s + g * s * (1.0 - s));
  y[id] = a * g * s;
}
