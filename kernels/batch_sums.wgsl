// partial[chunk, 0, c] = sum over the chunk's pixels of x[pixel, c] - x[0, c], and partial[chunk, 1, c]
// that of its square: first pass of a batch norm's statistics. The first pixel is a pivot that keeps
// differences of large numbers out of the variance. One lane per vec4 of channels and chunk.

struct Params {
  pixels: u32,
  channels: u32,   // vec4s
  chunk: u32,      // pixels
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [pixels, C]
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>; // [chunks, 2, C]

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * 8u + lane;
  if (c >= params.channels) { return; }
  let end = min((group.y + 1u) * params.chunk, params.pixels);
  let pivot = x[c];
  var sum = vec4(0.0);
  var squares = vec4(0.0);
  for (var pixel = group.y * params.chunk; pixel < end; pixel++) {
    let v = x[pixel * params.channels + c] - pivot;
    sum += v;
    squares += v * v;
  }
  partial[2u * group.y * params.channels + c] = sum;
  partial[(2u * group.y + 1u) * params.channels + c] = squares;
}
