// Joined after fragments: lane.
// y[p, n] = scale sum over t < size of x[p, (n size + t) / repeat]: fewer channels by averaging (then
// repeat is 1), or more by repeating (then size is 1). One lane per channel of a pixel.

struct Params {
  count: u32,    // pixels N
  inputs: u32,   // channels of x
  outputs: u32,  // N, channels of y
  scale: f32,
  added: u32,    // y += value
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [pixels, inputs]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [pixels, N]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let size = max(params.inputs / params.outputs, 1u);
  let repeat = max(params.outputs / params.inputs, 1u);
  let first = id / params.outputs * params.inputs;
  let n = id % params.outputs;
  var sum = 0.0;
  for (var t = 0u; t < size; t++) { sum += x[first + (n * size + t) / repeat]; }
  sum *= params.scale;
  if (params.added != 0u) { sum += y[id]; }
  y[id] = sum;
}
