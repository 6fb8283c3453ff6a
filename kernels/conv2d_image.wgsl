// Joined after fragments: weights, texel, broadcast, product, quotient, conv2d, neighbour, conv2d_image.
// The CPU form of `conv2d` with activations in images: one subgroup of eight lanes computes 32 pixels
// by 32 channels, which keeps the loop's code within what a CPU caches of decoded instructions. A lane
// gathers the weights of its four channels and a neighbour of each of four pixels, and gets the other
// pixels' by broadcast (see fragments/broadcast.wgsl).

override TRANSPOSED: bool = false;   // y's channels are the weights' inputs, taps are backwards

const TAPS = u32(SIZE * SIZE);

// Where the weights of a tap start for four channels of y.
fn tap_start(tap: u32, column4: u32) -> u32 {
  let n4s = (params.n + 3u) / 4u;
  if (TRANSPOSED) { return ((TAPS - 1u - tap) * n4s + min(column4, n4s - 1u)) * 32u; }
  let step = select(32u, 16u, F16);
  return (column4 / 8u * TAPS + tap) * (params.k / 4u) * step + column4 % 8u;
}

// Those of four channels of x (columns).
fn tap_weights(start: u32, k4: u32) -> mat4x4<f32> {
  if (TRANSPOSED) {
    let n4s = (params.n + 3u) / 4u;
    return transpose(weights(start + k4 / 8u * TAPS * n4s * 32u + k4 % 8u));
  }
  return weights(start + k4 * select(32u, 16u, F16));
}

fn finish_four(pixel: u32, column4: u32, s: mat4x4<f32>, a: Affine) {
  let n4s = (params.n + 3u) / 4u;
  let pixels = vec4(pixel) + vec4(0u, 1u, 2u, 3u);
  let inside = (pixels < vec4(params.pixels)) & vec4(column4 < n4s);
  let i = select(vec4(BEYOND), pixels * n4s + column4, inside);
  finish_here(i.x, s[0], a); finish_here(i.y, s[1], a);
  finish_here(i.z, s[2], a); finish_here(i.w, s[3], a);
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.z * groups.y + group.y) * 32u;
  let p0 = locate(first + lane); let p1 = locate(first + lane + 8u);
  let p2 = locate(first + lane + 16u); let p3 = locate(first + lane + 24u);
  let k4s = params.k / 4u;
  let column4 = group.x * 8u + lane;
  var s0 = mat4x4<f32>(); var s1 = mat4x4<f32>(); var s2 = mat4x4<f32>(); var s3 = mat4x4<f32>();
  var s4 = mat4x4<f32>(); var s5 = mat4x4<f32>(); var s6 = mat4x4<f32>(); var s7 = mat4x4<f32>();
  for (var tap = 0; tap < SIZE * SIZE; tap++) {
    let d = vec2(tap % SIZE, tap / SIZE) - SIZE / 2;
    let n0 = neighbour(p0, d); let n1 = neighbour(p1, d);
    let n2 = neighbour(p2, d); let n3 = neighbour(p3, d);
    let start = tap_start(u32(tap), column4);
    for (var k = 0u; k < k4s; k++) {
      let t = tap_weights(start, k);
      let x0 = channels(n0, k); let x1 = channels(n1, k);
      let x2 = channels(n2, k); let x3 = channels(n3, k);
      s0 = add_product(s0, t, low(x0)); s1 = add_product(s1, t, high(x0));
      s2 = add_product(s2, t, low(x1)); s3 = add_product(s3, t, high(x1));
      s4 = add_product(s4, t, low(x2)); s5 = add_product(s5, t, high(x2));
      s6 = add_product(s6, t, low(x3)); s7 = add_product(s7, t, high(x3));
    }
  }
  let a = affine(column4);
  var all = array<mat4x4<f32>, 8>(s0, s1, s2, s3, s4, s5, s6, s7);
  for (var i = 0u; i < params.quads; i++) { finish_four(first + 4u * i, column4, all[i], a); }
}
