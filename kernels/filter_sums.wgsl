// Joined after fragments: lane, quotient.
// y[first + (n inputs + k) taps + tap] += sum over chunks of partial[chunk, tap, n, k]: the second
// pass of a convolution's weight gradient, in the order of checkpoints. One lane per four k.

struct Params {
  count: u32,    // taps n columns / 4
  n: u32,        // rows of the weight, and of partial
  rows: u32,
  inputs: u32,   // columns of the weight, and of partial, a multiple of 4
  columns: u32,
  taps: u32,
  chunks: u32,
  first: u32,    // where y starts
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>; // [chunks, taps, rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let k4s = params.columns / 4u;
  let row = quotient(id, k4s);   // of all taps
  let k4 = id - row * k4s;
  let tap = quotient(row, params.n);
  let n = row - tap * params.n;
  let stride = params.taps * params.rows * k4s;
  var i = (tap * params.rows + n) * k4s + k4;
  var sum = vec4(0.0);
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    sum += partial[i];
    i += stride;
  }
  let to = params.first + (n * params.inputs + 4u * k4) * params.taps + tap;
  let last = min(4u, params.inputs - 4u * k4);
  for (var k = 0u; k < last; k++) { y[to + k * params.taps] += sum[k]; }
}
