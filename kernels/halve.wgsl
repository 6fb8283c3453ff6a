// Joined after fragments: lane.
// Means of 2 x 2 pixels; an odd side begins with a border of zeros. One lane per pixel of y.

struct Params {
  count: u32,     // B h w
  height: u32,    // of x
  width: u32,
  offset: f32,    // added to x
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [B, H, W, 4]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;  // [B, h, w, 4]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let size = vec2<i32>(vec2(params.width, params.height));
  let half = (size + 1) / 2;
  let i = i32(id);
  let corner = 2 * vec2(i % half.x, i / half.x % half.y) - size % 2;
  let picture = i / half.x / half.y * size.y;
  var sum = vec4(0.0);
  for (var place = 0; place < 4; place++) {
    let at = corner + vec2(place % 2, place / 2);
    let inside = all(at >= vec2(0));
    let from_x = u32((picture + max(at.y, 0)) * size.x + max(at.x, 0));
    sum += select(vec4(0.0), x[from_x] + params.offset, inside);
  }
  y[id] = 0.25 * sum;
}
