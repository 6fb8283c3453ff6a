// Joined after fragments: ssim, lane.
// Means over the window, across, of what SSIM compares: maps[b, r, c] = x, y, x^2, y^2, x y of the
// pixels c to c + 10. One lane per pixel.

struct Params {
  count: u32,     // B H W'
  width: u32,     // of the pictures
  windows: u32,   // W' = width - 10
  offset: f32,    // added to pictures, so that they begin at 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;           // [B, H, W, 4]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;           // [B, H, W, 4]
@group(0) @binding(3) var<storage, read_write> maps: array<vec4<f32>>;  // [B, H, W', 5, 4]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  var window = WINDOW;
  let first = id / params.windows * params.width + id % params.windows;
  var mx = vec4(0.0); var my = vec4(0.0);
  var mxx = vec4(0.0); var myy = vec4(0.0); var mxy = vec4(0.0);
  for (var tap = 0u; tap < TAPS; tap++) {
    let u = x[first + tap] + params.offset;
    let v = y[first + tap] + params.offset;
    let w = window[tap];
    mx += w * u; my += w * v; mxx += w * u * u; myy += w * v * v; mxy += w * u * v;
  }
  let to = 5u * id;
  maps[to] = mx; maps[to + 1u] = my; maps[to + 2u] = mxx; maps[to + 3u] = myy; maps[to + 4u] = mxy;
}
