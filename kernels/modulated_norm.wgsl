// Joined after fragments: row_lanes.
// y = LN(x) (1 + scale) + shift, scale and shift by frame (adaLN), eps 1e-6; mean and 1 / deviation
// are kept for the backward pass.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;          // [R, d]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;      // [frames, stride]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;    // [R, d]
@group(0) @binding(4) var<storage, read_write> stats: array<vec4<f32>>;  // [R]: mean, 1 / deviation

var<workgroup> sums: array<f32, WG>;

fn total(lane: u32, value: f32) -> f32 {
  if (ALONE) { return value; }
  workgroupBarrier();
  sums[lane] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { sums[lane] += sums[lane + half]; }
    workgroupBarrier();
  }
  return sums[0];
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = row_place(group, groups, lane);
  let row = min(place, params.rows - 1u);
  let start = row * params.d;
  let first = first_column(lane);
  let n = f32(params.d * 4u);
  var sum = vec4(0.0);
  for (var i = first; i < params.d; i += column_step()) { sum += x[start + i]; }
  let mean = total(lane, dot(sum, vec4(1.0))) / n;
  var squares = vec4(0.0);
  for (var i = first; i < params.d; i += column_step()) {
    let v = x[start + i] - mean;
    squares += v * v;
  }
  let inverse = 1.0 / sqrt(total(lane, dot(squares, vec4(1.0))) / n + 1e-6);
  if (place > row) { return; }
  if (ALONE || lane == 0u) { stats[row] = vec4(mean, inverse, 0.0, 0.0); }
  let at = frame_of(row) * params.stride;
  for (var i = first; i < params.d; i += column_step()) {
    let v = (x[start + i] - mean) * inverse;
    y[start + i] = v * (1.0 + table[at + params.scale + i]) + table[at + params.shift + i];
  }
}
