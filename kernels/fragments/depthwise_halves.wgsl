// [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias, NHWC: what a GLU gates.

struct Params {
  count: u32,      // lanes: B H W C / 4
  height: i32,
  width: i32,
  channels: u32,   // C, channels of y; x has twice as many
  taps: i32,       // 9: a number that compilers don't know keeps the loop a loop
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, H, W, 2 C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [taps, 2 C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [2 C]

struct Halves {
  a: vec4<f32>,
  g: vec4<f32>,
}

// The taps of both halves, for four channels of one pixel.
fn halves(id: u32) -> Halves {
  let half = params.channels / 4u;
  let of_all = quotient(id, half);
  let c = id - of_all * half;
  let pixel = i32(of_all);
  let size = vec2(params.width, params.height);
  let row = quotient(of_all, u32(size.x));
  let place = vec2(pixel - i32(row) * size.x, i32(row - quotient(row, u32(size.y)) * u32(size.y)));
  var h = Halves(bias[c], bias[half + c]);
  for (var tap = 0; tap < params.taps; tap++) {
    let d = vec2(tap % 3, tap / 3) - 1;
    let inside = all((place + d >= vec2(0)) & (place + d < size));
    let i = select(0u, u32(pixel + d.y * size.x + d.x), inside) * 2u * half + c;
    let j = u32(tap) * 2u * half + c;
    let weight = select(0.0, 1.0, inside);
    h.a += weight * x[i] * w[j];
    h.g += weight * x[i + half] * w[j + half];
  }
  return h;
}
