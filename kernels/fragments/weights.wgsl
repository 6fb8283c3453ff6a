// Weights of a matrix product, [N / 32, K, 32], read 16 bytes at a time by the forms' `packed`.

override F16: bool = false;   // half floats, two to a word

fn from_half(p: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(p.x), unpack2x16float(p.y)); }

// Those of four k (columns of the matrix) for four neighbouring columns of y; `i` counts 16 bytes.
fn weights(i: u32) -> mat4x4<f32> {
  if (F16) {
    let a = packed(i); let b = packed(i + 8u);
    return mat4x4(from_half(a.xy), from_half(a.zw), from_half(b.xy), from_half(b.zw));
  }
  let a = packed(i); let b = packed(i + 8u); let c = packed(i + 16u); let d = packed(i + 24u);
  return mat4x4(
    bitcast<vec4<f32>>(a), bitcast<vec4<f32>>(b), bitcast<vec4<f32>>(c), bitcast<vec4<f32>>(d),
  );
}
