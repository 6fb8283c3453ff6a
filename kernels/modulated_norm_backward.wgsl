// dx += the gradient of x in y = LN(x) (1 + scale) + shift: with g = dy (1 + scale) and
// n = (x - mean) / deviation, (g - mean(g) - n mean(g n)) / deviation. One workgroup per row.

override WG: u32 = 64u;

struct Params {
  d: u32,                // width in vec4s
  window_rows: u32,      // of all videos; they come first
  window_tokens: u32,    // per frame
  window_frames: u32,    // of all videos
  context_tokens: u32,   // per frame of long-term context
  stride: u32,           // vec4s per row of the table
  scale: u32,            // where it stands in a row, in vec4s
  rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [R, d]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;    // [frames, stride]
@group(0) @binding(3) var<storage, read> stats: array<vec2<f32>>;    // [R]: mean, 1 / deviation
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;       // [R, d]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>; // [R, d]

var<workgroup> sums: array<vec2<f32>, WG>;

fn frame_of(row: u32) -> u32 {
  if (row < params.window_rows) { return row / params.window_tokens; }
  return params.window_frames + (row - params.window_rows) / params.context_tokens;
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = group.y * groups.x + group.x;
  let row = min(place, params.rows - 1u);
  let start = row * params.d;
  let scale = frame_of(row) * params.stride + params.scale;
  let mean = stats[row].x;
  let inverse = stats[row].y;
  var sum = vec2(0.0);
  for (var i = lane; i < params.d; i += WG) {
    let g = dy[start + i] * (1.0 + table[scale + i]);
    sum += vec2(dot(g, vec4(1.0)), dot(g, (x[start + i] - mean) * inverse));
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { sums[lane] += sums[lane + half]; }
    workgroupBarrier();
  }
  if (place > row) { return; }
  let means = sums[0] / f32(params.d * 4u);
  for (var i = lane; i < params.d; i += WG) {
    let g = dy[start + i] * (1.0 + table[scale + i]);
    let n = (x[start + i] - mean) * inverse;
    dx[start + i] += (g - means.x - n * means.y) * inverse;
  }
}
