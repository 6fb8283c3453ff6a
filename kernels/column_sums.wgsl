// partial[chunk, c] = sum over the chunk's rows of x[row, c]: first pass of a bias's gradient.
// One lane per vec4 of columns and chunk.

struct Params {
  rows: u32,
  columns: u32,    // vec4s
  stride: u32,     // vec4s from row to row of x
  first: u32,      // where x starts, in vec4s
  chunk: u32,      // rows per chunk
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>;   // [chunks, columns]

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 8u + lane;
  if (column >= params.columns) { return; }
  let start = group.y * params.chunk;
  let end = min(start + params.chunk, params.rows);
  var sum = vec4(0.0);
  for (var row = start; row < end; row++) {
    sum += x[params.first + row * params.stride + column];
  }
  partial[group.y * params.columns + column] = sum;
}
