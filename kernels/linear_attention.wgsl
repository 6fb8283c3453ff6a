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

// What four channels of queries meet: those of the four tokens, their rows of the state's columns that
// the lane computes, and of its last one.
struct Step { queries: mat4x4<f32>, values: mat4x4<f32>, keys: vec4<f32>, }

fn step_at(q: vec4<u32>, v: u32, k: u32) -> Step {
  return Step(
    mat4x4(
      max(qkv[q.x], vec4(0.0)), max(qkv[q.y], vec4(0.0)),
      max(qkv[q.z], vec4(0.0)), max(qkv[q.w], vec4(0.0)),
    ),
    mat4x4(state[v], state[v + 1u], state[v + 2u], state[v + 3u]),
    state[k],
  );
}

struct Sums { values: mat4x4<f32>, weights: vec4<f32>, }   // a column per token

fn add_step(sums: Sums, s: Step) -> Sums {
  return Sums(sums.values + s.values * s.queries, sums.weights + s.keys * s.queries);
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let dim = params.dim;
  let d4s = dim / 4u;
  let column = id % d4s;
  let g = id / d4s % params.groups;
  let quads = (params.tokens + 3u) / 4u;
  let quad = id / d4s / params.groups;   // of all images
  let b = quad / quads;
  let token = quad % quads * 4u;
  // rows of the four tokens; past the last one the last again, with the same result
  let tokens = b * params.tokens + min(token + vec4(0u, 1u, 2u, 3u), vec4(params.tokens - 1u));
  let rows = tokens * params.groups + g;
  let first = (b * params.groups + g) * (d4s + 1u) * dim;
  let values = first + column * dim;
  let keys = first + d4s * dim;
  let q = rows * 3u * d4s;
  var sums = Sums();
  // four steps at a time, so that a GPU waits once for all of them
  var d4 = 0u;
  for (; d4 + 3u < d4s; d4 += 4u) {
    let v = values + 4u * d4;
    let k = keys + 4u * d4;
    let s0 = step_at(q + d4, v, k);
    let s1 = step_at(q + d4 + 1u, v + 4u, k + 4u);
    let s2 = step_at(q + d4 + 2u, v + 8u, k + 8u);
    let s3 = step_at(q + d4 + 3u, v + 12u, k + 12u);
    sums = add_step(add_step(add_step(add_step(sums, s0), s1), s2), s3);
  }
  for (; d4 < d4s; d4++) {
    sums = add_step(sums, step_at(q + d4, values + 4u * d4, keys + 4u * d4));
  }
  let at = rows * d4s + column;
  let totals = sums.weights + params.eps;
  y[at.w] = sums.values[3] / totals.w;
  y[at.z] = sums.values[2] / totals.z;
  y[at.y] = sums.values[1] / totals.y;
  y[at.x] = sums.values[0] / totals.x;
}
