// Joined after fragments: lane.
// What y = a / b of linear attention passes on: da = dy / b and db = -(dy y) / b, with
// b_n = sum_d relu(q_n[d]) state[d, D] + eps. One lane per token and group.

struct Params {
  count: u32,    // lanes: B tokens G
  tokens: u32,
  groups: u32,   // G
  dim: u32,      // D, a multiple of 4
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;     // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read> state: array<vec4<f32>>;   // [B, G, D / 4 + 1, D]
@group(0) @binding(3) var<storage, read> y: array<vec4<f32>>;       // [B, tokens, G, D]
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;      // [B, tokens, G, D]
@group(0) @binding(5) var<storage, read_write> da: array<vec4<f32>>; // [B, tokens, G, D]
@group(0) @binding(6) var<storage, read_write> db: array<f32>;       // [B, tokens, G]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let d4s = params.dim / 4u;
  let g = id % params.groups;
  let b = id / params.groups / params.tokens;
  let sums = ((b * params.groups + g) * (d4s + 1u) + d4s) * params.dim;
  var total = params.eps;
  var inner = 0.0;
  for (var d4 = 0u; d4 < d4s; d4++) {
    let q = max(qkv[3u * id * d4s + d4], vec4(0.0));
    total += dot(q, state[sums + 4u * d4]);
    inner += dot(dy[id * d4s + d4], y[id * d4s + d4]);
  }
  for (var d4 = 0u; d4 < d4s; d4++) { da[id * d4s + d4] = dy[id * d4s + d4] / total; }
  db[id] = -inner / total;
}
