// Joined after fragments: ssim, lane.
// Slopes of windows, each picture's scaled, led back to the rows that they are means of.
// One lane per place.

struct Params {
  count: u32,     // B H W'
  height: u32,    // of the pictures
  windows: u32,   // W'
  first: u32,     // where the scale's numbers start
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> slopes: array<vec4<f32>>;       // [B, H', W', 3, 4]
@group(0) @binding(2) var<storage, read> scales: array<vec4<f32>>;       // [scales, B, 4]
@group(0) @binding(3) var<storage, read_write> spread: array<vec4<f32>>; // [B, H, W', 3, 4]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  var window = WINDOW;
  let rows = params.height - TAPS + 1u;
  let row = id / params.windows % params.height;
  let picture = id / params.windows / params.height;
  let near = span(row, rows);
  var a = vec4(0.0); var b = vec4(0.0); var c = vec4(0.0);
  for (var top = near.first; top <= near.last; top++) {
    let at = 3u * ((picture * rows + top) * params.windows + id % params.windows);
    let w = window[row - top];
    a += w * slopes[at]; b += w * slopes[at + 1u]; c += w * slopes[at + 2u];
  }
  let scale = scales[params.first + picture];
  spread[3u * id] = a * scale; spread[3u * id + 1u] = b * scale; spread[3u * id + 2u] = c * scale;
}
