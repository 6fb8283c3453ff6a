// Joined after fragments: lane.
// y[first + (n inputs + k) taps + tap] += sum over chunks of partial[chunk, tap, n, k]: the second
// pass of a convolution's weight gradient, in the order of checkpoints. One lane per number.

struct Params {
  count: u32,    // taps n inputs
  n: u32,        // rows of the weight, and of partial
  rows: u32,
  inputs: u32,   // columns of the weight, and of partial
  columns: u32,
  taps: u32,
  chunks: u32,
  first: u32,    // where y starts
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;       // [chunks, taps, rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let k = id % params.inputs;
  let n = id / params.inputs % params.n;
  let tap = id / params.inputs / params.n;
  let at = (tap * params.rows + n) * params.columns + k;
  let stride = params.taps * params.rows * params.columns;
  var sum = 0.0;
  for (var chunk = 0u; chunk < params.chunks; chunk++) { sum += partial[chunk * stride + at]; }
  y[params.first + (n * params.inputs + k) * params.taps + tap] += sum;
}
