// What all forms of `linear` are given but x: y = epilogue(x W + bias). What is done to the sums is a
// parameter, not an override: a pipeline serves all layers.

// x is normalised on its way in; on GPUs only. It stands here because naga wants overrides before
// arrays that overrides size.
override NORM: bool = false;

struct Params {
  m: u32,             // rows of x and y
  k: u32,             // columns of x, a multiple of 4
  n: u32,             // columns of y
  biased: u32,
  output: u32,        // 0 as it is, 1 GELU (tanh), 2 SiLU
  residual: u32,      // 0 y = v, 1 y += v, 2 y += gate * v
  tokens: u32,        // rows of x per frame, for the modulation table
  table_stride: u32,  // floats per row of it
  gate: u32,          // offsets in a row
  norm_shift: u32,
  norm_scale: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N8]
@group(0) @binding(4) var<storage, read> table: array<vec4<f32>>;   // [R, table_stride]
@group(0) @binding(5) var<storage, read> frames: array<Frame>;       // [B, F]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>; // [M, N4]

// Both are v * sigmoid(s): GELU's (1 + tanh(u)) / 2 is sigmoid(2 u).
fn activated(v: vec4<f32>) -> vec4<f32> {
  let gelu = 1.5957691216057308 * (v + 0.044715 * v * v * v);
  return v / (1.0 + exp(-select(v, gelu, params.output == 1u)));
}

// Finishes and stores four columns of a row.
fn write_out(row: u32, column4: u32, sum: vec4<f32>) {
  var v = sum;
  if (params.biased > 0u) { v += bias[column4]; }
  finish(row, column4, v);
}

// The same for sums that the bias was added to.
fn finish(row: u32, column4: u32, sum: vec4<f32>) {
  var v = select(sum, activated(sum), params.output > 0u);
  let i = row * ((params.n + 3u) / 4u) + column4;
  if (params.residual == 2u) {
    let start = frames[row / params.tokens].row * params.table_stride + params.gate;
    v *= table[start / 4u + column4];
  }
  if (params.residual > 0u) { v += y[i]; }
  y[i] = v;
}
