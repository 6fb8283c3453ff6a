// What both forms of `conv2d` with activations in images have in common.

@group(0) @binding(2) var w: texture_storage_2d<rgba32uint, read>;  // [N / 32, taps K, 32]

const BEYOND = 0xffffffffu;   // texel of no image

fn packed(i: u32) -> vec4<u32> { return textureLoad(w, texel(i)); }

// A pixel's index and position; one past the last is placed far outside the image.
fn locate(p: u32) -> vec3<i32> {
  let size = vec2<u32>(vec2(params.width, params.height));
  if (SIZE == 1) { return vec3(i32(p), select(vec2(-SIZE), vec2(0), p < params.pixels)); }
  let row = quotient(p, size.x);
  let place = vec2<i32>(vec2(p - row * size.x, row - quotient(row, size.y) * size.y));
  return vec3(i32(p), select(vec2(-SIZE), place, p < params.pixels));
}

// As `finish`, but without a branch: stores beyond an image do nothing.
fn finish_here(i: u32, sum: vec4<f32>, a: Affine) {
  var v = max(sum * a.scale + a.bias, vec4(params.lowest));
  if (SILUS) { v = v / (1.0 + exp(-v)); }
  if (ADDS) { v += y[i]; }
  y[i] = v;
}
