// Joined after fragments: lane.
// dx of `unfold`: each pixel's sum of dy over the taps that read it, in their order. One lane per four
// channels of a pixel.

struct Params {
  count: u32,     // B H W C / 4
  height: u32,    // of dx
  width: u32,
  rows: u32,      // of dy
  columns: u32,
  stride: u32,
  quads: u32,     // C / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // [B, rows, columns, 16, C]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;   // [B, H, W, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let pixel = id / params.quads;
  let line = pixel / params.width;
  let picture = line / params.height;
  var sum = vec4(0.0);
  for (var tap = 0u; tap < 16u; tap++) {
    // of the 4 x 4 pixels' corner, counted from one pixel above and left of the first
    let place = vec2(line % params.height + 1u, pixel % params.width + 1u);
    let offset = vec2(tap / 4u, tap % 4u);
    let corner = place - min(place, offset);
    let at = corner / params.stride;
    let reads = all(place >= offset) && all(at * params.stride == corner) &&
      at.x < params.rows && at.y < params.columns;
    if (reads) {
      let origin = (picture * params.rows + at.x) * params.columns + at.y;
      sum += dy[(origin * 16u + tap) * params.quads + id % params.quads];
    }
  }
  dx[id] = sum;
}
