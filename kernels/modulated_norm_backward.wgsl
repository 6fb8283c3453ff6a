// Joined after fragments: row_lanes.
// dx += the gradient of x in y = LN(x) (1 + scale) + shift: with g = dy (1 + scale) and
// n = (x - mean) / deviation, (g - mean(g) - n mean(g n)) / deviation.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [R, d]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;    // [frames, stride]
@group(0) @binding(3) var<storage, read> stats: array<vec4<f32>>;    // [R]: mean, 1 / deviation
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;       // [R, d]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>; // [R, d]

var<workgroup> sums: array<vec2<f32>, WG>;

fn total(lane: u32, value: vec2<f32>) -> vec2<f32> {
  if (ALONE) { return value; }
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
  let scale = frame_of(row) * params.stride + params.scale;
  let of_row = stats[row];
  let mean = of_row.x;
  let inverse = of_row.y;
  var plain = vec4(0.0);
  var weighed = vec4(0.0);
  for (var i = first; i < params.d; i += column_step()) {
    let g = dy[start + i] * (1.0 + table[scale + i]);
    plain += g;
    weighed += g * ((x[start + i] - mean) * inverse);
  }
  let sum = total(lane, vec2(dot(plain, vec4(1.0)), dot(weighed, vec4(1.0))));
  if (place > row) { return; }
  let means = sum / f32(params.d * 4u);
  for (var i = first; i < params.d; i += column_step()) {
    let g = dy[start + i] * (1.0 + table[scale + i]);
    let n = (x[start + i] - mean) * inverse;
    dx[start + i] += (g - means.x - n * means.y) * inverse;
  }
}
