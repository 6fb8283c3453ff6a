// A matrix into an image, as `matmul_broadcast` reads what it sums along the rows of: blocks of 32 rows,
// in each four numbers of all its rows, then the next four. A workgroup moves 8 vec4s of the rows of a
// block, a lane one of them. Rows up to the next multiple of four are zero: they may be steps of a sum.

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
  let column4 = group.x * 8u + lane;
  if (column4 >= params.columns) { return; }
  let start = group.y * 32u;
  let end = min(start + 32u, (params.rows + 3u) / 4u * 4u);
  let to = (group.y * params.columns + column4) * 32u;
  for (var row = start; row < end; row++) {
    let at = params.first + min(row, params.rows - 1u) * params.stride + column4;
    let v = select(vec4(0.0), x[at], row < params.rows);
    let i = to + row - start;
    textureStore(y, vec2(i & 1023u, i >> 10u), bitcast<vec4<u32>>(v));
  }
}
