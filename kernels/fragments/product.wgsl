// s + t v for four columns v, in an order that keeps sums in a CPU's registers.
fn add_product(s: mat4x4<f32>, t: mat4x4<f32>, v: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(
    s[0] + t[0] * v[0].x + t[1] * v[0].y + t[2] * v[0].z + t[3] * v[0].w,
    s[1] + t[0] * v[1].x + t[1] * v[1].y + t[2] * v[1].z + t[3] * v[1].w,
    s[2] + t[0] * v[2].x + t[1] * v[2].y + t[2] * v[2].z + t[3] * v[2].w,
    s[3] + t[0] * v[3].x + t[1] * v[3].y + t[2] * v[3].z + t[3] * v[3].w,
  );
}
