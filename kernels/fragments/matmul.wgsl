// What both forms of `matmul` are given; B is a buffer or a texture.

override TRANSPOSE_A: bool = false;   // A is [R, M], else [M, R]
override TRANSPOSE_B: bool = false;   // B is [N, R], else [R, N]

struct Params {
  m: u32,          // rows of C
  n: u32,          // columns, a multiple of 4
  r: u32,          // summed over: a multiple of 4 where it is the last axis of A or B
  a_stride: u32,   // vec4s from row to row
  b_stride: u32,
  c_stride: u32,
  a_first: u32,    // where the matrices start, in vec4s
  b_first: u32,
  c_first: u32,
  bias_first: u32,
  biased: u32,
  add: u32,        // 1: C += instead of C =
  scale: f32,      // of the product
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>;

