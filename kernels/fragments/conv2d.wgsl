// What both forms of `conv2d` are given, and what becomes of a sum: y = act(sum * scale + bias), or
// y += that. All but the weights' type and SIZE are parameters: few pipelines serve a whole model.

override SIZE: i32 = 3;       // taps along an axis
// Whether any call wants SiLU or a sum, which make much code where the results are unrolled.
override SILUS: bool = true;
override ADDS: bool = true;

struct Params {
  pixels: u32,   // B H W
  height: i32,
  width: i32,
  k: u32,        // channels of x, a multiple of 4
  n: u32,        // channels of y
  scaled: u32,
  biased: u32,
  silu: u32,
  lowest: f32,   // 0 for ReLU, otherwise the least f32
  added: u32,    // y += value
  quads: u32,    // 8 for images: a number that compilers don't know keeps the loop a loop
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, H, W, K]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N8]
@group(0) @binding(4) var<storage, read> scale: array<vec4<f32>>;   // [N8]
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>; // [B, H, W, N4]

// Scale and bias of four channels.
struct Affine { scale: vec4<f32>, bias: vec4<f32>, }

fn affine(column4: u32) -> Affine {
  var a = Affine(vec4(1.0), vec4(0.0));
  if (params.scaled != 0u) { a.scale = scale[column4]; }
  if (params.biased != 0u) { a.bias = bias[column4]; }
  return a;
}

fn finish(pixel: u32, column4: u32, sum: vec4<f32>, a: Affine) {
  let n4s = (params.n + 3u) / 4u;
  if (pixel >= params.pixels || column4 >= n4s) { return; }
  var v = max(sum * a.scale + a.bias, vec4(params.lowest));
  if (SILUS && params.silu != 0u) { v = v / (1.0 + exp(-v)); }
  let i = pixel * n4s + column4;
  if (ADDS && params.added != 0u) { v += y[i]; }
  y[i] = v;
}
