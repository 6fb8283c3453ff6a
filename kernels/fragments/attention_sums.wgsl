// sums[d, :] = sum_n relu(part_n[d]) columns_n, over the tokens n of a group of 3 D channels (D query, D
// key and D value ones). The kernel says which PART (0 queries, 1 keys) and which `columns`.

struct Params {
  count: u32,    // lanes: B G (D / 4) (D / 4 + 1)
  tokens: u32,   // h w
  groups: u32,   // G, per token
  dim: u32,      // D, a multiple of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>; // [B, tokens, G, 3 D]

// Four columns of four rows; the last block of columns is the one after D.
fn sums(id: u32) -> mat4x4<f32> {
  let d4s = params.dim / 4u;
  let d4 = id % d4s;
  let block = id / d4s % (d4s + 1u);
  let g = id / d4s / (d4s + 1u) % params.groups;
  let b = id / d4s / (d4s + 1u) / params.groups;
  var sum = mat4x4<f32>();
  for (var n = 0u; n < params.tokens; n++) {
    let row = (b * params.tokens + n) * params.groups + g;
    let k = max(qkv[(3u * row + PART) * d4s + d4], vec4(0.0));
    let v = columns(row, min(block, d4s - 1u), block == d4s);
    sum += mat4x4(k.x * v, k.y * v, k.z * v, k.w * v);
  }
  return sum;
}
