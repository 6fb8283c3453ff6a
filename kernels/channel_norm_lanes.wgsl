// Joined after fragments: lane.
// The CPU form of `channel_norm`, with everything in images: one lane per pixel, and no barrier.

override RELU: bool = false;
override RESIDUAL: bool = false;   // y += value

struct Params {
  count: u32,      // pixels
  channels: u32,   // a multiple of 4
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [pixels, C]
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;  // [C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [pixels, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let c4s = params.channels / 4u;
  let first = id * c4s;
  var sum = vec4(0.0);
  for (var c = 0u; c < c4s; c++) {
    let v = x[first + c];
    sum += v * v;
  }
  let inverse = inverseSqrt(dot(sum, vec4(1.0)) / f32(params.channels) + params.eps);
  for (var c = 0u; c < c4s; c++) {
    var v = x[first + c] * inverse * weight[c] + bias[c];
    if (RELU) { v = max(v, vec4(0.0)); }
    if (RESIDUAL) { v += y[first + c]; }
    y[first + c] = v;
  }
}
