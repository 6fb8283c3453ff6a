// Joined after fragments: row_lanes.
// Gradients of adaLN's numbers of a frame: sums over its tokens, in their order. With NORM those of
// shift (sum of dy) and of scale (sum of dy LN(x)), else that of a gate (sum of dy x).
// One lane per vec4 of a frame.

override NORM: bool = false;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [R, d]
@group(0) @binding(2) var<storage, read> stats: array<vec4<f32>>;    // [R]: mean, 1 / deviation
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;       // [R, d]
@group(0) @binding(4) var<storage, read_write> table: array<vec4<f32>>;  // [frames, stride]

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 8u + lane;
  if (column >= params.d) { return; }
  let frame = group.y;
  var row = frame * params.window_tokens;
  var count = params.window_tokens;
  if (frame >= params.window_frames) {
    row = params.window_rows + (frame - params.window_frames) * params.context_tokens;
    count = params.context_tokens;
  }
  var plain = vec4(0.0);
  var weighed = vec4(0.0);
  for (var t = row; t < row + count; t++) {
    let g = dy[t * params.d + column];
    let v = x[t * params.d + column];
    if (NORM) {
      plain += g;
      let of_row = stats[t];
      weighed += g * ((v - of_row.x) * of_row.y);
    } else {
      weighed += g * v;
    }
  }
  if (NORM) { table[frame * params.stride + params.shift + column] = plain; }
  let place = select(params.gate, params.scale, NORM);
  table[frame * params.stride + place + column] = weighed;
}
