// Mean and inverse deviation of each channel: second pass of a batch norm's statistics. Training, the
// running ones move towards them, the variance without bias; else they are taken from the running
// ones. One lane per vec4 of channels.

override TRAINING: bool = true;

struct Params {
  pixels: u32,
  channels: u32,   // vec4s
  chunks: u32,
  momentum: f32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [pixels, C]
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;       // [chunks, 2, C]
@group(0) @binding(3) var<storage, read_write> running_mean: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> running_var: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec4<f32>>;   // [2, C]

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * 8u + lane;
  if (c >= params.channels) { return; }
  if (!TRAINING) {
    stats[c] = running_mean[c];
    stats[params.channels + c] = inverseSqrt(running_var[c] + params.eps);
    return;
  }
  var sum = vec4(0.0);
  var squares = vec4(0.0);
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    sum += partial[2u * chunk * params.channels + c];
    squares += partial[(2u * chunk + 1u) * params.channels + c];
  }
  let count = f32(params.pixels);
  let offset = sum / count;
  let mean = x[c] + offset;
  let variance = max(squares / count - offset * offset, vec4(0.0));
  stats[c] = mean;
  stats[params.channels + c] = inverseSqrt(variance + params.eps);
  let unbiased = variance * (count / max(count - 1.0, 1.0));
  running_mean[c] += params.momentum * (mean - running_mean[c]);
  running_var[c] += params.momentum * (unbiased - running_var[c]);
}
