// Joined after fragments: lane.
// dq_n = relu'(q_n) state [da_n; db_n], dk_n = relu'(k_n) dstate [v_n; 1] and
// dv_n = dstate^T relu(k_n), the states without their last column in the third.
// One lane computes four channels of each of the three, of one token and group.

struct Params {
  count: u32,    // lanes: B tokens G D / 4
  tokens: u32,
  groups: u32,   // G
  dim: u32,      // D, a multiple of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;        // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read> state: array<vec4<f32>>;      // [B, G, D / 4 + 1, D]
@group(0) @binding(3) var<storage, read> dstate: array<vec4<f32>>;     // [B, G, D / 4 + 1, D]
@group(0) @binding(4) var<storage, read> da: array<vec4<f32>>;         // [B, tokens, G, D]
@group(0) @binding(5) var<storage, read> db: array<f32>;               // [B, tokens, G]
@group(0) @binding(6) var<storage, read_write> dqkv: array<vec4<f32>>; // [B, tokens, G, 3 D]

// Where it was positive.
fn passed(v: vec4<f32>, gradient: vec4<f32>) -> vec4<f32> {
  return select(vec4(0.0), gradient, v > vec4(0.0));
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let d4s = params.dim / 4u;
  let own = id % d4s;
  let row = id / d4s;   // token and group
  let g = row % params.groups;
  let b = row / params.groups / params.tokens;
  let first = (b * params.groups + g) * (d4s + 1u) * params.dim;
  let query = row * 3u * d4s;
  let rows = first + 4u * own;   // of the states, within a block of columns
  let sums = first + d4s * params.dim + 4u * own;
  var dq = state[sums] * db[row];
  var dk = dstate[sums];
  var dv = vec4(0.0);
  for (var e4 = 0u; e4 < d4s; e4++) {
    let s = rows + e4 * params.dim;
    dq += da[row * d4s + e4] * mat4x4(state[s], state[s + 1u], state[s + 2u], state[s + 3u]);
    let v = qkv[query + 2u * d4s + e4];
    dk += v * mat4x4(dstate[s], dstate[s + 1u], dstate[s + 2u], dstate[s + 3u]);
    let k = max(qkv[query + d4s + e4], vec4(0.0));
    let t = first + own * params.dim + 4u * e4;
    dv += mat4x4(dstate[t], dstate[t + 1u], dstate[t + 2u], dstate[t + 3u]) * k;
  }
  dqkv[query + own] = passed(qkv[query + own], dq);
  dqkv[query + d4s + own] = passed(qkv[query + d4s + own], dk);
  dqkv[query + 2u * d4s + own] = dv;
}
