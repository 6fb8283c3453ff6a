// A matrix into an image, as `matmul_broadcast` reads what it sums down the columns of: blocks of 32
// columns, and in each block row after row. A workgroup moves 32 rows of a block, a lane four of its
// columns.

override FROM_ROWS: bool = false;   // x is packed by `pack_rows`, else row after row

struct Params {
  rows: u32,
  columns: u32,    // vec4s per row
  stride: u32,     // vec4s from row to row of x
  first: u32,      // where x starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var y: texture_storage_2d<rgba32uint, write>;

fn place_in_x(row: u32, column4: u32) -> u32 {
  if (FROM_ROWS) { return (row / 32u * params.columns + column4) * 32u + row % 32u; }
  return params.first + row * params.stride + column4;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column4 = group.x * 8u + lane;
  if (column4 >= params.columns) { return; }
  let start = group.y * 32u;
  for (var row = start; row < min(start + 32u, params.rows); row++) {
    let i = (group.x * params.rows + row) * 8u + lane;
    textureStore(y, vec2(i & 1023u, i >> 10u), bitcast<vec4<u32>>(x[place_in_x(row, column4)]));
  }
}
