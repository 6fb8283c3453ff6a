// Joined after fragments: lane.
// dx of a batch norm with the batch's own statistics: with n the normalised x and means over pixels,
// dx = weight inverse (dy - mean(dy) - n mean(dy n)).
// One lane computes the same four channels of several pixels, so that it reads their numbers once.

struct Params {
  count: u32,      // lanes: C / 4 of each `strides` pixels
  channels: u32,   // vec4s
  pixels: u32,
  strides: u32,    // from pixel to pixel of a lane
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [pixels, C]
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;       // [pixels, C]
@group(0) @binding(3) var<storage, read> stats: array<vec4<f32>>;    // [2, C]
@group(0) @binding(4) var<storage, read> sums: array<vec4<f32>>;     // [2, C]: of dy n, of dy
@group(0) @binding(5) var<storage, read> weight: array<vec4<f32>>;   // [C]
@group(0) @binding(6) var<storage, read_write> dx: array<vec4<f32>>; // [pixels, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let c = id % params.channels;
  let mean = stats[c];
  let inverse = stats[params.channels + c];
  let of_slopes = sums[c] / f32(params.pixels);
  let of_all = sums[params.channels + c] / f32(params.pixels);
  let factor = weight[c] * inverse;
  for (var pixel = id / params.channels; pixel < params.pixels; pixel += params.strides) {
    let i = pixel * params.channels + c;
    let normed = (x[i] - mean) * inverse;
    dx[i] = factor * (dy[i] - (of_all + normed * of_slopes));
  }
}
