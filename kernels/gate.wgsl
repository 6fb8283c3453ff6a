// Joined after fragments: lane.
// y = gate x, or y = residual + gate x, the gate by frame (adaLN). One lane per vec4.

override RESIDUAL: bool = false;

struct Params {
  count: u32,            // vec4s
  d: u32,                // width in vec4s
  window_rows: u32,      // of all videos; they come first
  window_tokens: u32,    // per frame
  window_frames: u32,    // of all videos
  context_tokens: u32,   // per frame of long-term context
  stride: u32,           // vec4s per row of the table
  gate: u32,             // where it stands in a row, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;          // [R, d]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;      // [frames, stride]
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>;   // [R, d]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;    // [R, d]

fn frame_of(row: u32) -> u32 {
  if (row < params.window_rows) { return row / params.window_tokens; }
  return params.window_frames + (row - params.window_rows) / params.context_tokens;
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let at = frame_of(id / params.d) * params.stride + params.gate + id % params.d;
  var v = table[at] * x[id];
  if (RESIDUAL) { v += residual[id]; }
  y[id] = v;
}
