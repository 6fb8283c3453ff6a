// Joined after fragments: lane.
// Colours from -1 to 1 by their mean and deviation among photographs, as LPIPS takes them; the
// fourth channel stays 0. With BACKWARD y += x / deviation instead. One lane per pixel.

struct Params {
  count: u32,     // pixels
}

override BACKWARD: bool = false;
const MEAN = vec4(-0.030, -0.088, -0.188, 0.0);
const DEVIATION = vec4(0.458, 0.448, 0.450, 1.0);

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let colour = vec4(x[id].xyz, 0.0);
  if (BACKWARD) { y[id] += colour / DEVIATION; } else { y[id] = (colour - MEAN) / DEVIATION; }
}
