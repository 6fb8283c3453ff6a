// Parameters of both forms of `matmul`, which read A and B in different ways.

override ADD: bool = false;   // C += instead of C =

struct Params {
  m: u32,          // rows of C
  n: u32,          // columns, a multiple of 4
  r: u32,          // summed over: a multiple of 4 where it is the last axis of A or B
  a_stride: u32,   // vec4s from row to row
  b_stride: u32,
  c_stride: u32,
  a_first: u32,    // start of the matrices, in vec4s
  b_first: u32,
  c_first: u32,
  bias_first: u32,
  biased: u32,
  scale: f32,      // of the product
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>;

fn bias_of(column4: u32) -> vec4<f32> {
  if (params.biased == 0u) { return vec4(0.0); }
  return bias[params.bias_first + column4];
}

// Finishes and stores four columns of a row.
fn write_out(row: u32, column4: u32, sum: vec4<f32>, own_bias: vec4<f32>) {
  let i = params.c_first + row * params.c_stride + column4;
  var v = params.scale * sum + own_bias;
  if (ADD) { v += c[i]; }
  c[i] = v;
}
