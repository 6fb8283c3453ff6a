// Weights into an image, as `matmul_broadcast` reads them: blocks of 32 rows, and in each block four
// numbers of all its rows, then the next four. A workgroup moves 8 rows of 16 vec4s. Rows up to the
// next multiple of four are zero: they may be steps of a sum.

struct Params {
  rows: u32,
  columns: u32,    // vec4s per row
  stride: u32,     // vec4s from row to row of x
  first: u32,      // where x starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var y: texture_storage_2d<rgba32uint, write>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.x * 8u + lane;
  let columns = params.columns;
  if (row >= (params.rows + 3u) / 4u * 4u) { return; }
  let from_x = params.first + min(row, params.rows - 1u) * params.stride;
  for (var j = group.y * 16u; j < min(group.y * 16u + 16u, columns); j++) {
    let i = (row / 32u * columns + j) * 32u + row % 32u;
    let v = select(vec4(0.0), x[from_x + j], row < params.rows);
    textureStore(y, vec2(i & 1023u, i >> 10u), bitcast<vec4<u32>>(v));
  }
}
