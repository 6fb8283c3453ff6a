// bias[chunk, c] = sum over the chunk's pixels of dy[pixel, c], and weight[chunk, c] = that of
// dy[pixel, c] n[pixel, c], n being the normalised x: first pass of both gradients of a norm. The
// statistics are means and inverse deviations of channels, or inverse roots of pixels.
// One lane per vec4 of channels and chunk.

override BY_CHANNEL: bool = false;

struct Params {
  pixels: u32,
  channels: u32,   // vec4s
  chunk: u32,      // pixels
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;   // [2, C] or [pixels]
@group(0) @binding(4) var<storage, read_write> weight: array<vec4<f32>>;   // [chunks, C]
@group(0) @binding(5) var<storage, read_write> bias: array<vec4<f32>>;     // [chunks, C]

fn statistic(i: u32) -> vec4<f32> {
  return vec4(stats[4u * i], stats[4u * i + 1u], stats[4u * i + 2u], stats[4u * i + 3u]);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * 8u + lane;
  if (c >= params.channels) { return; }
  var mean = vec4(0.0);
  var inverse = vec4(1.0);
  if (BY_CHANNEL) {
    mean = statistic(c);
    inverse = statistic(params.channels + c);
  }
  let end = min((group.y + 1u) * params.chunk, params.pixels);
  var of_weight = vec4(0.0);
  var of_bias = vec4(0.0);
  for (var pixel = group.y * params.chunk; pixel < end; pixel++) {
    let g = dy[pixel * params.channels + c];
    if (!BY_CHANNEL) { inverse = vec4(stats[pixel]); }
    of_bias += g;
    of_weight += g * ((x[pixel * params.channels + c] - mean) * inverse);
  }
  weight[group.y * params.channels + c] = of_weight;
  bias[group.y * params.channels + c] = of_bias;
}
