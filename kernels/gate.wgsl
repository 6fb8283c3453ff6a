// Joined after fragments: row_lanes.
// y = gate x, or y = residual + gate x, the gate by frame (adaLN).

override RESIDUAL: bool = false;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;          // [R, d]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;      // [frames, stride]
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>;   // [R, d]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;    // [R, d]

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_place(group, groups, lane);
  if (row >= params.rows) { return; }
  let at = frame_of(row) * params.stride + params.gate;
  let start = row * params.d;
  for (var i = first_column(lane); i < params.d; i += column_step()) {
    var v = table[at + i] * x[start + i];
    if (RESIDUAL) { v += residual[start + i]; }
    y[start + i] = v;
  }
}
