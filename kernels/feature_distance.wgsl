// Joined after fragments: lane.
// partial[pixel] = scale sum_c head[c] (x_c / |x| - y_c / |y|)^2, |.| a pixel's length + 1e-10, and
// its gradient by y, added to dy or, without ADDS, in its place. A pixel of y whose channels are all
// 0 has no direction: its gradient is 0. One lane per pixel.

struct Params {
  count: u32,     // B h w
  quads: u32,     // C / 4
  scale: f32,
}

override ADDS: bool = false;
const EPSILON = 1e-10;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;          // [B, h, w, C]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;          // [B, h, w, C]
@group(0) @binding(3) var<storage, read> head: array<vec4<f32>>;       // [C]
@group(0) @binding(4) var<storage, read_write> dy: array<vec4<f32>>;   // [B, h, w, C]
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;    // [B h w]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let first = id * params.quads;
  var squares = vec2(0.0);
  for (var q = 0u; q < params.quads; q++) {
    let pair = vec2(dot(x[first + q], x[first + q]), dot(y[first + q], y[first + q]));
    squares += pair;
  }
  let length = sqrt(squares);
  let inverse = 1.0 / (length + EPSILON);
  var sum = 0.0;
  var along = 0.0; // the gradient by the direction, along y
  for (var q = 0u; q < params.quads; q++) {
    let apart = y[first + q] * inverse.y - x[first + q] * inverse.x;
    sum += dot(head[q], apart * apart);
    along += dot(2.0 * head[q] * apart, y[first + q]);
  }
  partial[id] = params.scale * sum;
  let exists = squares.y > 0.0;
  let turn = select(0.0, along * inverse.y / max(length.y, 1e-30), exists);
  for (var q = 0u; q < params.quads; q++) {
    let apart = y[first + q] * inverse.y - x[first + q] * inverse.x;
    let slope = params.scale * inverse.y * (2.0 * head[q] * apart - turn * y[first + q]);
    let own = select(vec4(0.0), slope, exists);
    if (ADDS) { dy[first + q] += own; } else { dy[first + q] = own; }
  }
}
