// Joined after fragments: lane.
// How far pictures are from others, with the gradient: with e = y - x of a pixel's channels,
// partial[pixel] = absolute sum(|e|) + squared sum(e^2) + across sum(|e[right] - e|)
// + along sum(|e[below] - e|), and dy that sum's gradient. Weights are those of a mean.
// One lane per pixel.

struct Params {
  count: u32,      // B H W
  height: u32,
  width: u32,
  absolute: f32,
  squared: f32,
  across: f32,
  along: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [B, H, W, 4]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;             // [B, H, W, 4]
@group(0) @binding(3) var<storage, read_write> dy: array<vec4<f32>>;      // [B, H, W, 4]
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;       // [B H W]

fn difference(pixel: u32) -> vec4<f32> { return y[pixel] - x[pixel]; }

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let column = id % params.width;
  let row = id / params.width % params.height;
  let e = difference(id);
  var sum = params.absolute * abs(e) + params.squared * e * e;
  var gradient = params.absolute * sign(e) + 2.0 * params.squared * e;
  if (params.across > 0.0) {
    if (column + 1u < params.width) {
      let step = difference(id + 1u) - e;
      sum += params.across * abs(step);
      gradient -= params.across * sign(step);
    }
    if (column > 0u) { gradient += params.across * sign(e - difference(id - 1u)); }
  }
  if (params.along > 0.0) {
    if (row + 1u < params.height) {
      let step = difference(id + params.width) - e;
      sum += params.along * abs(step);
      gradient -= params.along * sign(step);
    }
    if (row > 0u) { gradient += params.along * sign(e - difference(id - params.width)); }
  }
  dy[id] = gradient;
  partial[id] = dot(sum, vec4(1.0));
}
