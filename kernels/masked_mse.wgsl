// Joined after fragments: lane.
// Loss and gradient of the masked mean squared error: with e = v - target of a row,
// partial[row] = weight / 2 sum(e^2) and dv = scale weight e; the weight by frame is
// 2 (1 - clean) / (b noisy c h w). One lane per row.

struct Params {
  count: u32,      // rows
  width: u32,      // vec4s per row
  tokens: u32,     // rows per frame
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> expected: array<vec4<f32>>;       // [R, width]
@group(0) @binding(2) var<storage, read> weights: array<f32>;              // [frames], last the scale
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;              // [R, width]
@group(0) @binding(5) var<storage, read_write> dv: array<vec4<f32>>;       // [R, width]
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;        // [R]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let row = item_of(lane, 64u);
  if (row >= params.count) { return; }
  let weight = weights[row / params.tokens];
  let scale = weights[params.count / params.tokens];
  var sum = 0.0;
  for (var i = row * params.width; i < (row + 1u) * params.width; i++) {
    let e = v[i] - expected[i];
    sum += dot(e, e);
    dv[i] = scale * weight * e;
  }
  partial[row] = 0.5 * weight * sum;
}
