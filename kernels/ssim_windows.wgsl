// Joined after fragments: ssim, lane.
// SSIM of each window, or its part that does not look at brightness, with its slopes along the mean
// of y, that of y^2 and that of x y. One lane per window.

override WHOLE: bool = true;   // else without brightness

struct Params {
  count: u32,     // B H' W'
  height: u32,    // of the pictures
  windows: u32,   // W'
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> maps: array<vec4<f32>>;         // [B, H, W', 5, 4]
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;  // [B, H', W', 4]
@group(0) @binding(3) var<storage, read_write> slopes: array<vec4<f32>>; // [B, H', W', 3, 4]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  var window = WINDOW;
  let rows = params.height - TAPS + 1u;
  let row = id / params.windows;
  let top = row / rows * params.height + row % rows;
  var mx = vec4(0.0); var my = vec4(0.0);
  var mxx = vec4(0.0); var myy = vec4(0.0); var mxy = vec4(0.0);
  for (var tap = 0u; tap < TAPS; tap++) {
    let at = 5u * ((top + tap) * params.windows + id % params.windows);
    let w = window[tap];
    mx += w * maps[at]; my += w * maps[at + 1u];
    mxx += w * maps[at + 2u]; myy += w * maps[at + 3u]; mxy += w * maps[at + 4u];
  }
  let below = mxx - mx * mx + myy - my * my + C2;
  let contrast = (2.0 * (mxy - mx * my) + C2) / below;
  var value = contrast;
  var by_mean = 2.0 * (my * contrast - mx) / below;
  var by_square = -contrast / below;
  var by_product = 2.0 / below;
  if (WHOLE) {
    let under = mx * mx + my * my + C1;
    let brightness = (2.0 * mx * my + C1) / under;
    value *= brightness;
    by_mean = by_mean * brightness + contrast * 2.0 * (mx - my * brightness) / under;
    by_square *= brightness;
    by_product *= brightness;
  }
  parts[id] = value;
  slopes[3u * id] = by_mean; slopes[3u * id + 1u] = by_square; slopes[3u * id + 2u] = by_product;
}
