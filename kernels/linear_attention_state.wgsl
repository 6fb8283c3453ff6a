// Joined after fragments: lane.
// state[d, :] = sum_n relu(k_n[d]) [v_n; 1], for each group of 3 D channels (D query, D key and
// D value ones): what linear attention has to know of all tokens.
// One lane computes four columns of four rows; the last column block holds the sum of keys.

struct Params {
  count: u32,    // lanes: B G (D / 4) (D / 4 + 1)
  tokens: u32,   // h w
  groups: u32,   // G, per token
  dim: u32,      // D, a multiple of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;         // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read_write> state: array<vec4<f32>>; // [B, G, D / 4 + 1, D]

@compute @workgroup_size(32)
fn main(lane: Lane) {
  let id = item_of(lane, 32u);
  if (id >= params.count) { return; }
  let d4s = params.dim / 4u;
  let d4 = id % d4s;
  let block = id / d4s % (d4s + 1u);
  let g = id / d4s / (d4s + 1u) % params.groups;
  let b = id / d4s / (d4s + 1u) / params.groups;
  let stride = params.groups * 3u * d4s;
  let first = b * params.tokens * stride + (3u * g + 1u) * d4s;
  let ones = block == d4s;
  var sum = mat4x4<f32>();
  for (var n = 0u; n < params.tokens; n++) {
    let key = first + n * stride;
    let k = max(qkv[key + d4], vec4(0.0));
    let v = select(qkv[key + d4s + min(block, d4s - 1u)], vec4(1.0, 0.0, 0.0, 0.0), ones);
    sum += mat4x4(k.x * v, k.y * v, k.z * v, k.w * v);
  }
  for (var i = 0u; i < 4u; i++) { state[4u * id + i] = sum[i]; }
}
