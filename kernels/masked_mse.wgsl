// Joined after fragments: lane.
// Loss and gradient of the masked mean squared error: with e = v - target of a row,
// partial[row] = weight / 2 sum(e^2) and dv = scale weight e; the weight by frame is
// 2 (1 - clean) / (b noisy c h w). One lane per row.
// ROBUST: the gradient, not the loss, is that of weight n / limit (sqrt(1 + limit mse) - 1) for a frame
// of n numbers, Huber's loss made smooth: the larger its error, the less a frame's numbers count.

override ROBUST: bool = false;

struct Params {
  count: u32,      // rows
  width: u32,      // vec4s per row
  tokens: u32,     // rows per frame
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> expected: array<vec4<f32>>;       // [R, width]
@group(0) @binding(2) var<storage, read> weights: array<f32>;              // [frames], last the scale
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;              // [R, width]
@group(0) @binding(6) var<storage, read> limits: array<f32>;               // [frames] if ROBUST
@group(0) @binding(5) var<storage, read_write> dv: array<vec4<f32>>;       // [R, width]
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;        // [R]

// Of a whole frame, found by each of its rows anew, so that no other dispatch is needed.
fn mean_square(frame: u32) -> f32 {
  let size = params.tokens * params.width;
  var sum = 0.0;
  for (var i = frame * size; i < (frame + 1u) * size; i++) {
    let e = v[i] - expected[i];
    sum += dot(e, e);
  }
  return sum / f32(4u * size);
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let row = item_of(lane, 64u);
  if (row >= params.count) { return; }
  let frame = row / params.tokens;
  let weight = weights[frame];
  var scale = weights[params.count / params.tokens];
  if (ROBUST) { scale *= inverseSqrt(1.0 + limits[frame] * mean_square(frame)); }
  var sum = 0.0;
  for (var i = row * params.width; i < (row + 1u) * params.width; i++) {
    let e = v[i] - expected[i];
    sum += dot(e, e);
    dv[i] = scale * weight * e;
  }
  partial[row] = 0.5 * weight * sum;
}
