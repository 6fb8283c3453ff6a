// Joined after fragments: lane.
// dx += a quarter of the gradient of the mean that a pixel is in. One lane per pixel of dx.

struct Params {
  count: u32,     // B H W
  height: u32,    // of dx
  width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;        // [B, h, w, 4]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;  // [B, H, W, 4]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let size = vec2(params.width, params.height);
  let half = (size + 1u) / 2u;
  let place = (vec2(id % size.x, id / size.x % size.y) + size % 2u) / 2u;
  dx[id] += 0.25 * dy[(id / size.x / size.y * half.y + place.y) * half.x + place.x];
}
