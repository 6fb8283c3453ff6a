// Joined after fragments: lane.
// y[p, n] = scale sum over t < size of x[p, (n size + t) / repeat]: fewer channels by averaging (then
// repeat is 1), or more by repeating (then size is 1). One lane per four channels of a pixel.

struct Params {
  count: u32,    // pixels N / 4
  inputs: u32,   // channels of x
  outputs: u32,  // N, channels of y
  scale: f32,
  added: u32,    // y += value
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [pixels, inputs]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [pixels, N]

// The sum for channel n of the pixel whose x starts at `first`.
fn sum_of(first: u32, n: u32) -> f32 {
  let size = max(params.inputs / params.outputs, 1u);
  let repeat = max(params.outputs / params.inputs, 1u);
  var sum = 0.0;
  for (var t = 0u; t < size; t++) {
    let i = first + (n * size + t) / repeat;
    sum += x[i / 4u][i % 4u];
  }
  return sum;
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let n4s = params.outputs / 4u;
  let first = id / n4s * params.inputs;
  let n = 4u * (id % n4s);
  var v = params.scale * vec4(
    sum_of(first, n), sum_of(first, n + 1u), sum_of(first, n + 2u), sum_of(first, n + 3u),
  );
  if (params.added != 0u) { v += y[id]; }
  y[id] = v;
}
