// Joined after fragments: frame.
// y = (x - mean) / sqrt(var + eps) * (1 + scale) + shift, scale and shift chosen by frame (adaLN).
// For CPUs; elsewhere `linear` does it on the way. One workgroup per token, and one subgroup:
// barriers between several cost more than the sums.

const WG = 8u;

struct Params {
  rows: u32,     // B F T
  d: u32,        // width, a multiple of 4
  tokens: u32,   // tokens per frame
  stride: u32,   // floats per row of the table
  shift: u32,    // offsets in a row
  scale: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, F, T, d]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;   // [R, stride]
@group(0) @binding(3) var<storage, read> frames: array<Frame>;       // [B, F]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [B, F, T, d]

var<workgroup> partial: array<vec2<f32>, WG>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let d4 = params.d / 4u;
  let place = group.y * groups.x + group.x;
  let row = min(place, params.rows - 1u);   // past the end too: all must reach the barriers

  // one pass over the row: sum and sum of squares, shifted by the first value against cancellation
  let origin = x[row * d4].x;
  var sums = vec2(0.0);
  for (var i = lane; i < d4; i += WG) {
    let v = x[row * d4 + i] - origin;
    sums += vec2(dot(v, vec4(1.0)), dot(v, v));
  }
  partial[lane] = sums;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  if (place > row) { return; }
  let mean = partial[0].x / f32(params.d);
  let variance = max(partial[0].y / f32(params.d) - mean * mean, 0.0);
  let inverse = inverseSqrt(variance + params.eps);

  let modulation = frames[row / params.tokens].row * params.stride;
  let shift = (modulation + params.shift) / 4u;
  let scale = (modulation + params.scale) / 4u;
  for (var i = lane; i < d4; i += WG) {
    let v = (x[row * d4 + i] - origin - mean) * inverse;
    y[row * d4 + i] = v * (1.0 + table[scale + i]) + table[shift + i];
  }
}
