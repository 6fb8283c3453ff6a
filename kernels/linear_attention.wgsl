// y_n = sum_d relu(q_n[d]) state[d, :D] / (sum_d relu(q_n[d]) state[d, D] + eps)
// One lane computes four channels of one token.

struct Params {
  count: u32,    // lanes: B tokens G D / 4
  tokens: u32,   // h w
  groups: u32,   // G, per token
  dim: u32,      // D, a multiple of 4
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;           // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read> state: array<vec4<f32>>;   // [B, G, D / 4 + 1, D]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [B, tokens, G, D]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = (group.y * groups.x + group.x) * 64u + lane;
  if (id >= params.count) { return; }
  let blocks = params.dim / 4u;
  let column = id % blocks;
  let row = id / blocks;   // token and group
  let g = row % params.groups;
  let b = row / params.groups / params.tokens;
  let first = (b * params.groups + g) * (blocks + 1u) * params.dim;
  let values = first + column * params.dim;
  let keys = first + blocks * params.dim;
  var sum = vec4(0.0);
  var weight = 0.0;
  for (var d = 0u; d < params.dim; d++) {
    let q = max(qkv[row * 3u * params.dim + d], 0.0);
    sum += q * state[values + d];
    weight += q * state[keys + d].x;
  }
  y[id] = sum / (weight + params.eps);
}
