// Joined after fragments: lane, unfold.
// dx of `unfold`: each pixel's sum of dy over the taps that read it, in their order. One lane per
// four channels of a pixel.

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // [B, rows, columns, 16, C]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;   // [B, H, W, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let pixel = id / params.quads;
  let quad = id - pixel * params.quads;
  let line = pixel / params.width;
  let picture = line / params.height;
  // counted from one pixel above and left of the first, where the first output's taps begin
  let row = line - picture * params.height + 1u;
  let column = pixel - line * params.width + 1u;
  var sum = vec4(0.0);
  for (var i = row % params.stride; i <= min(row, 3u); i += params.stride) {
    let above = (row - i) / params.stride;
    if (above >= params.rows) { continue; }
    let first = (picture * params.rows + above) * params.columns;
    for (var j = column % params.stride; j <= min(column, 3u); j += params.stride) {
      let before = (column - j) / params.stride;
      if (before >= params.columns) { continue; }
      sum += dy[((first + before) * 16u + 4u * i + j) * params.quads + quad];
    }
  }
  dx[id] = sum;
}
