// partial[chunk, tap, c] = sum over the chunk's pixels of dy[p, c] x[p + tap, c]: first pass of the
// gradient of a depthwise 3 x 3 convolution's weight. One lane per vec4 of channels, tap and chunk.

struct Params {
  rows: u32,       // image rows: B H
  height: u32,
  width: u32,
  channels: u32,   // vec4s
  chunk: u32,      // image rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [B, H, W, C]
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;            // [B, H, W, C]
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>; // [chunks, 9, C]

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * 8u + lane;
  if (c >= params.channels) { return; }
  let d = vec2(i32(group.y) % 3, i32(group.y) / 3) - 1;
  let left = u32(max(0, -d.x));
  let right = params.width - u32(max(0, d.x));
  let end = min((group.z + 1u) * params.chunk, params.rows);
  var sum = vec4(0.0);
  for (var row = group.z * params.chunk; row < end; row++) {
    let other_row = i32(row % params.height) + d.y;
    if (other_row < 0 || other_row >= i32(params.height)) { continue; }
    for (var column = left; column < right; column++) {
      let pixel = row * params.width + column;
      let other = u32(i32(pixel) + d.y * i32(params.width) + d.x);
      sum += dy[pixel * params.channels + c] * x[other * params.channels + c];
    }
  }
  partial[(group.z * 9u + group.y) * params.channels + c] = sum;
}
