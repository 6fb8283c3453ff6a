// Weights of a matrix product, [N / 32, K, 32], read 16 bytes at a time by the forms' `packed`.

override F16: bool = false;   // half floats, two to a word

fn from_half(p: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(p.x), unpack2x16float(p.y)); }

// Those of four k (columns of the matrix) for four neighbouring columns of y, as they lie in memory:
// half floats take two of the four words.
struct Words { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>, }

// `i` counts 16 bytes.
fn words(i: u32) -> Words {
  let a = packed(i);
  let b = packed(i + 8u);
  if (F16) { return Words(a, b, a, b); }
  return Words(a, b, packed(i + 16u), packed(i + 24u));
}

fn unpacked(w: Words) -> mat4x4<f32> {
  if (F16) {
    return mat4x4(from_half(w.a.xy), from_half(w.a.zw), from_half(w.b.xy), from_half(w.b.zw));
  }
  return mat4x4(
    bitcast<vec4<f32>>(w.a), bitcast<vec4<f32>>(w.b),
    bitcast<vec4<f32>>(w.c), bitcast<vec4<f32>>(w.d),
  );
}

fn weights(i: u32) -> mat4x4<f32> { return unpacked(words(i)); }
