// One side of a product into an image, as `matmul_broadcast` reads it: blocks of 32 rows, and in
// each block four numbers of all its rows, then the next four. Rows are what the result has a row
// (or column) for; numbers of a row are summed over. A lane moves 16 vec4s.

override TRANSPOSED: bool = false;   // x is [r, rows] instead of [rows, r]

struct Params {
  rows: u32,
  r: u32,          // numbers per row; a multiple of 4 unless transposed
  stride: u32,     // vec4s from row to row of x
  first: u32,      // where x starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var y: texture_storage_2d<rgba32uint, write>;

fn put_packed(row: u32, k4: u32, v: vec4<f32>) {
  let i = (row / 32u * ((params.r + 3u) / 4u) + k4) * 32u + row % 32u;
  textureStore(y, vec2(i % 1024u, i / 1024u), bitcast<vec4<u32>>(v));
}

// Four rows of x^T at a step of the sum; nothing beyond its end.
fn across(row4: u32, k: u32) -> vec4<f32> {
  let v = x[params.first + min(k, params.r - 1u) * params.stride + row4];
  return select(vec4(0.0), v, k < params.r);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let k4s = (params.r + 3u) / 4u;
  if (TRANSPOSED) {
    let row4 = group.x * 8u + lane;
    if (row4 * 4u >= params.rows) { return; }
    for (var k4 = group.y * 4u; k4 < min(group.y * 4u + 4u, k4s); k4++) {
      let k = 4u * k4;
      let m = transpose(mat4x4(
        across(row4, k), across(row4, k + 1u), across(row4, k + 2u), across(row4, k + 3u),
      ));
      let row = row4 * 4u;
      put_packed(row, k4, m[0]); put_packed(row + 1u, k4, m[1]);
      put_packed(row + 2u, k4, m[2]); put_packed(row + 3u, k4, m[3]);
    }
    return;
  }
  let k4 = group.y * 16u;
  let row = group.x * 8u + lane;
  if (row >= params.rows) { return; }
  for (var j = k4; j < min(k4 + 16u, k4s); j++) {
    put_packed(row, j, x[params.first + row * params.stride + j]);
  }
}
