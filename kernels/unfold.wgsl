// Joined after fragments: lane, unfold.
// y[b, row, column, tap, c] = x at the tap of the 4 x 4 pixels that begin one pixel above and left
// of (stride row, stride column), zero outside. One lane per four channels of all taps.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // [B, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;   // [B, rows, columns, 16, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let pixel = id / params.quads;
  let quad = id - pixel * params.quads;
  let line = pixel / params.columns;
  let picture = line / params.rows;
  let top = i32((line - picture * params.rows) * params.stride) - 1;
  let left = i32((pixel - line * params.columns) * params.stride) - 1;
  let size = vec2(i32(params.height), i32(params.width));
  for (var tap = 0; tap < 16; tap++) {
    let place = vec2(top + tap / 4, left + tap % 4);
    var value = vec4(0.0);
    if (all((place >= vec2(0)) & (place < size))) {
      let origin = (picture * params.height + u32(place.x)) * params.width + u32(place.y);
      value = x[origin * params.quads + quad];
    }
    y[(pixel * 16u + u32(tap)) * params.quads + quad] = value;
  }
}
