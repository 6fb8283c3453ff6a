// Joined after fragments: lane.
// y_n = sum_m s_nm v_m / (sum_m s_nm + eps), s_nm = relu(q_n) . relu(k_m), within groups of 3 D
// channels: D query, D key, D value. For few tokens. One lane computes four channels of one token.

struct Params {
  count: u32,    // lanes: B tokens G D / 4
  tokens: u32,   // h w
  groups: u32,   // G, per token
  dim: u32,      // D, a multiple of 4
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;     // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [B, tokens, G, D]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let d4 = params.dim / 4u;
  let column = id % d4;
  let row = id / d4;   // token and group
  let g = row % params.groups;
  let b = row / params.groups / params.tokens;
  let query = row * 3u * d4;
  let stride = params.groups * 3u * d4;
  let first = b * params.tokens * stride + g * 3u * d4;
  var sum = vec4(0.0);
  var weight = 0.0;
  for (var m = 0u; m < params.tokens; m++) {
    let key = first + m * stride + d4;
    var score = 0.0;
    for (var d = 0u; d < d4; d++) {
      score += dot(max(qkv[query + d], vec4(0.0)), max(qkv[key + d], vec4(0.0)));
    }
    sum += score * qkv[key + d4 + column];
    weight += score;
  }
  y[id] = sum / (weight + params.eps);
}
