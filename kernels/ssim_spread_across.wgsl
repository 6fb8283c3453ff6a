// Joined after fragments: ssim, lane.
// dy += slopes of windows led back across, along y itself, y^2 and x y. One lane per pixel.

struct Params {
  count: u32,     // B H W
  width: u32,
  windows: u32,   // W'
  offset: f32,    // added to pictures, so that they begin at 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [B, H, W, 4]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;        // [B, H, W, 4]
@group(0) @binding(3) var<storage, read> spread: array<vec4<f32>>;   // [B, H, W', 3, 4]
@group(0) @binding(4) var<storage, read_write> dy: array<vec4<f32>>; // [B, H, W, 4]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  var window = WINDOW;
  let column = id % params.width;
  let near = span(column, params.windows);
  var a = vec4(0.0); var b = vec4(0.0); var c = vec4(0.0);
  for (var left = near.first; left <= near.last; left++) {
    let at = 3u * (id / params.width * params.windows + left);
    let w = window[column - left];
    a += w * spread[at]; b += w * spread[at + 1u]; c += w * spread[at + 2u];
  }
  dy[id] += a + 2.0 * b * (y[id] + params.offset) + c * (x[id] + params.offset);
}
