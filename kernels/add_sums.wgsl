// y[first + c] += sum over chunks of partial[chunk, c], in their order: the second pass of a sum whose
// first pass many workgroups shared. One lane per vec4 of columns.

struct Params {
  columns: u32,    // vec4s
  chunks: u32,
  first: u32,      // where y starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>;   // [chunks, columns]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 8u + lane;
  if (column >= params.columns) { return; }
  var sum = vec4(0.0);
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    sum += partial[chunk * params.columns + column];
  }
  y[params.first + column] += sum;
}
