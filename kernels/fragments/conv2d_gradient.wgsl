// What both forms of `conv2d_gradient` are given. For each tap and chunk of image rows:
// partial[chunk, tap, n, k] = sum over pixels of dy[pixel, n] x[pixel + tap, k].

override SIZE: i32 = 3;   // taps along an axis

struct Params {
  rows: u32,     // image rows: B H
  height: u32,
  width: u32,
  n4: u32,       // vec4s of dy's channels
  k4: u32,       // and of x's
  stride: u32,   // vec4s from pixel to pixel of dy
  first: u32,    // start of dy, in vec4s
  chunk: u32,    // image rows of a chunk
  tiles: u32,    // along n
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;           // [B, H, W, stride]
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>; // [chunks, taps, N, K]

// Four rows n of the outer product of two vec4s of channels, four columns k each.
fn outer(k: vec4<f32>, n: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(k * n.x, k * n.y, k * n.z, k * n.w);
}

fn write_out(group: vec3<u32>, n: u32, k4: u32, sum: vec4<f32>) {
  if (n >= 4u * params.n4 || k4 >= params.k4) { return; }
  let tap = group.z * u32(SIZE * SIZE) + group.y;
  partial[(tap * 4u * params.n4 + n) * params.k4 + k4] = sum;
}
