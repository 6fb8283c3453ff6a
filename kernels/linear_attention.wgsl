// Joined after fragments: lane.
// y_n = sum_d relu(q_n[d]) state[d, :D] / (sum_d relu(q_n[d]) state[d, D] + eps)
// One lane computes four channels of four tokens.

struct Params {
  count: u32,    // lanes: B ceil(tokens / 4) G D / 4
  tokens: u32,   // h w
  groups: u32,   // G, per token
  dim: u32,      // D, a multiple of 4
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;     // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read> state: array<vec4<f32>>;   // [B, G, D / 4 + 1, D]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [B, tokens, G, D]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let d4s = params.dim / 4u;
  let column = id % d4s;
  let g = id / d4s % params.groups;
  let quads = (params.tokens + 3u) / 4u;
  let quad = id / d4s / params.groups;   // of all images
  let b = quad / quads;
  let token = quad % quads * 4u;
  // rows of the four tokens; past the last one the last again, with the same result
  let tokens = b * params.tokens + min(token + vec4(0u, 1u, 2u, 3u), vec4(params.tokens - 1u));
  let rows = tokens * params.groups + g;
  let q = rows * 3u * d4s;
  let first = (b * params.groups + g) * (d4s + 1u) * params.dim;
  var sums = mat4x4<f32>();   // one column per token
  var weights = vec4(0.0);
  for (var d4 = 0u; d4 < d4s; d4++) {
    let queries = mat4x4(
      max(qkv[q.x + d4], vec4(0.0)), max(qkv[q.y + d4], vec4(0.0)),
      max(qkv[q.z + d4], vec4(0.0)), max(qkv[q.w + d4], vec4(0.0)),
    );
    let v = first + column * params.dim + 4u * d4;
    let k = first + d4s * params.dim + 4u * d4;
    sums += mat4x4(state[v], state[v + 1u], state[v + 2u], state[v + 3u]) * queries;
    weights += vec4(state[k].x, state[k + 1u].x, state[k + 2u].x, state[k + 3u].x) * queries;
  }
  let at = rows * d4s + column;
  let totals = weights + params.eps;
  y[at.w] = sums[3] / totals.w;
  y[at.z] = sums[2] / totals.z;
  y[at.y] = sums[1] / totals.y;
  y[at.x] = sums[0] / totals.x;
}
