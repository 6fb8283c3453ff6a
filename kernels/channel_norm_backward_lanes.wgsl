// Joined after fragments: lane.
// The CPU form of `channel_norm_backward`, with everything in images: one lane per pixel, and no barrier.

struct Params {
  count: u32,      // pixels
  channels: u32,   // a multiple of 4
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [pixels, C]
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;   // [C]
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;       // [pixels, C]
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>; // [pixels, C]
@group(0) @binding(5) var<storage, read_write> stats: array<f32>;    // [pixels]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let c4s = params.channels / 4u;
  let first = id * c4s;
  var squares = vec4(0.0);
  var slopes = vec4(0.0);
  for (var c = 0u; c < c4s; c++) {
    let v = x[first + c];
    squares += v * v;
    slopes += v * dy[first + c] * weight[c];
  }
  let mean = vec2(dot(squares, vec4(1.0)), dot(slopes, vec4(1.0))) / f32(params.channels);
  let inverse = inverseSqrt(mean.x + params.eps);
  let factor = inverse * inverse * mean.y;
  for (var c = 0u; c < c4s; c++) {
    dx[first + c] = inverse * (dy[first + c] * weight[c] - factor * x[first + c]);
  }
  stats[id] = inverse;
}
