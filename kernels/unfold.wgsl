// Joined after fragments: lane.
// y[b, row, column, tap, c] = x at the tap of the 4 x 4 pixels that begin one pixel above and left of
// (stride row, stride column), zero outside. One lane per four channels of a tap.

struct Params {
  count: u32,     // B rows columns 16 C / 4
  height: u32,    // of x
  width: u32,
  rows: u32,      // of y
  columns: u32,
  stride: u32,
  quads: u32,     // C / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // [B, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;   // [B, rows, columns, 16, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let tap = id / params.quads % 16u;
  let pixel = id / params.quads / 16u;
  let line = pixel / params.columns;
  // moved by one: the pixel above the first row is 0
  let row = line % params.rows * params.stride + tap / 4u;
  let column = pixel % params.columns * params.stride + tap % 4u;
  let picture = line / params.rows;
  let inside = row > 0u && row <= params.height && column > 0u && column <= params.width;
  var value = vec4(0.0);
  if (inside) {
    let origin = (picture * params.height + row - 1u) * params.width + column - 1u;
    value = x[origin * params.quads + id % params.quads];
  }
  y[id] = value;
}
