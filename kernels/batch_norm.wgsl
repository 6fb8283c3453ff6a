// Joined after fragments: lane.
// y = residual + (x - mean) inverse weight + bias, mean and inverse deviation by channel; without
// ADDS there is no residual. What is below 0 is multiplied by LEAK.
// One lane computes the same four channels of several pixels, so that it reads their numbers once.

override ADDS: bool = true;
override LEAK: f32 = 1.0;

struct Params {
  count: u32,      // lanes: C / 4 of each `strides` pixels
  channels: u32,   // vec4s
  pixels: u32,
  strides: u32,    // from pixel to pixel of a lane
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // [pixels, C]
@group(0) @binding(2) var<storage, read> stats: array<vec4<f32>>;     // [2, C]
@group(0) @binding(3) var<storage, read> weight: array<vec4<f32>>;    // [C]
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;      // [C]
@group(0) @binding(5) var<storage, read> residual: array<vec4<f32>>;  // [pixels, C]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;   // [pixels, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let c = id % params.channels;
  let mean = stats[c];
  let inverse = stats[params.channels + c];
  let own_weight = weight[c];
  let own_bias = bias[c];
  for (var pixel = id / params.channels; pixel < params.pixels; pixel += params.strides) {
    let i = pixel * params.channels + c;
    var normed = (x[i] - mean) * inverse * own_weight;
    if (ADDS) { normed = residual[i] + normed; }
    var value = normed + own_bias;
    if (LEAK < 1.0) { value = max(value, LEAK * value); }
    y[i] = value;
  }
}
