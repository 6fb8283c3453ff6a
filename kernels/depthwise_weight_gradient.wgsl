// partial[chunk, tap, c] = sum over the chunk's pixels of dy[p, c] x[p + tap, c]: first pass of the
// gradient of a depthwise 3 x 3 convolution's weight. One lane per vec4 of channels, row of taps and
// chunk: of three neighbours in a row, it reads one anew per pixel.

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
  let c4s = params.channels;
  let c = group.x * 8u + lane;
  if (c >= c4s) { return; }
  let end = min((group.z + 1u) * params.chunk, params.rows);
  var sums = mat3x4<f32>();
  for (var row = group.z * params.chunk; row < end; row++) {
    let other_row = row % params.height + group.y;   // the next one, in its picture
    if (other_row == 0u || other_row > params.height) { continue; }
    var at = row * params.width * c4s + c;
    let last = at + (params.width - 1u) * c4s;
    var other = (row + group.y - 1u) * params.width * c4s + c;
    var before = vec4(0.0);
    var own = x[other];
    for (; at <= last; at += c4s) {
      other += select(0u, c4s, at < last);
      let after = select(vec4(0.0), x[other], at < last);
      let d = dy[at];
      sums += mat3x4(d * before, d * own, d * after);
      before = own;
      own = after;
    }
  }
  let to = (group.z * 9u + group.y * 3u) * c4s + c;
  partial[to] = sums[0]; partial[to + c4s] = sums[1]; partial[to + 2u * c4s] = sums[2];
}
