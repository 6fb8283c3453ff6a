// Joined after fragments: weights, texel, broadcast, product, quotient, conv2d, neighbour, conv2d_image.
// `conv2d_image` for at most 16 channels, where most of its lanes would have none: a lane computes four
// of 32 pixels. All lanes together gather the weights of four channels of x, a lane those of one for
// four channels of y or, in a second vec4, for the four that are eight further on.

override FOURS: u32 = 4u;   // vec4s of y's channels: 1 to 4

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.z * groups.y + group.y) * 32u + lane;
  let p0 = locate(first); let p1 = locate(first + 8u);
  let p2 = locate(first + 16u); let p3 = locate(first + 24u);
  let k4s = params.k / 4u;
  var at = lane % 4u * 8u + lane / 4u;
  var s0 = mat4x4<f32>(); var s1 = mat4x4<f32>(); var s2 = mat4x4<f32>(); var s3 = mat4x4<f32>();
  for (var tap = 0; tap < SIZE * SIZE; tap++) {
    let d = vec2(tap % SIZE, tap / SIZE) - SIZE / 2;
    let n0 = neighbour(p0, d); let n1 = neighbour(p1, d);
    let n2 = neighbour(p2, d); let n3 = neighbour(p3, d);
    for (var k = 0u; k < k4s; k++) {
      let v = mat4x4(channels(n0, k), channels(n1, k), channels(n2, k), channels(n3, k));
      let t = bitcast<vec4<f32>>(packed(at));
      s0 = add_product(s0, low(t), v);
      if (FOURS > 1u) { s1 = add_product(s1, high(t), v); }
      if (FOURS > 2u) {
        let u = bitcast<vec4<f32>>(packed(at + 2u));
        s2 = add_product(s2, low(u), v);
        if (FOURS > 3u) { s3 = add_product(s3, high(u), v); }
      }
      at += 32u;
    }
  }
  let pixels = vec4(first) + vec4(0u, 8u, 16u, 24u);
  let inside = pixels < vec4(params.pixels);
  let n4s = (params.n + 3u) / 4u;   // FOURS, but compilers don't know, which keeps the loop a loop
  var all = array<mat4x4<f32>, 4>(s0, s1, s2, s3);
  for (var column4 = 0u; column4 < n4s; column4++) {
    let a = affine(column4);
    let s = all[column4];
    let i = select(vec4(BEYOND), pixels * n4s + column4, inside);
    finish_here(i.x, s[0], a); finish_here(i.y, s[1], a);
    finish_here(i.z, s[2], a); finish_here(i.w, s[3], a);
  }
}
