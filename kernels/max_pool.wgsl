// Joined after fragments: lane.
// The largest of 2 x 2 pixels, by channel; a last odd row or column is dropped. With BACKWARD y is
// a gradient, and the first of the largest pixels gets it. One lane per four channels of a pixel.

struct Params {
  count: u32,     // B h w C / 4
  height: u32,    // of x
  width: u32,
  quads: u32,     // C / 4
}

override BACKWARD: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;          // [B, H, W, C]
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;         // [B, h, w, C]
@group(0) @binding(3) var<storage, read_write> to: array<vec4<f32>>;   // y, or dx as x

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let half = vec2(params.width, params.height) / 2u;
  let pixel = id / params.quads;
  let row = pixel / half.x;
  let top = row / half.y * params.height + row % half.y * 2u;
  let corner = (top * params.width + pixel % half.x * 2u) * params.quads + id % params.quads;
  var most = x[corner];
  var first = vec4(0u);
  for (var i = 1u; i < 4u; i++) {
    let value = x[corner + (i / 2u * params.width + i % 2u) * params.quads];
    first = select(first, vec4(i), value > most);
    most = max(most, value);
  }
  if (!BACKWARD) {
    to[id] = most;
    return;
  }
  for (var i = 0u; i < 4u; i++) {
    let at = corner + (i / 2u * params.width + i % 2u) * params.quads;
    to[at] = select(vec4(0.0), dy[id], first == vec4(i));
  }
}
