// What `pack_rows` and `pack_columns` share: a matrix x, and the image y that it goes to in blocks.

struct Params {
  rows: u32,
  columns: u32,    // vec4s per row
  stride: u32,     // vec4s from row to row of x
  first: u32,      // where x starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var y: texture_storage_2d<rgba32uint, write>;

fn put(i: u32, v: vec4<f32>) {
  textureStore(y, vec2(i & 1023u, i >> 10u), bitcast<vec4<u32>>(v));
}
