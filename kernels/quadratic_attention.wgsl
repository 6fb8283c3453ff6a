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

// Four channels of a query and of four keys.
struct Step { query: vec4<f32>, keys: mat4x4<f32>, }

fn step_at(q: u32, k: vec4<u32>) -> Step {
  return Step(qkv[q], mat4x4(qkv[k.x], qkv[k.y], qkv[k.z], qkv[k.w]));
}

fn add_scores(scores: vec4<f32>, s: Step) -> vec4<f32> {
  let query = max(s.query, vec4(0.0));
  return scores + vec4(
    dot(query, max(s.keys[0], vec4(0.0))), dot(query, max(s.keys[1], vec4(0.0))),
    dot(query, max(s.keys[2], vec4(0.0))), dot(query, max(s.keys[3], vec4(0.0))),
  );
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let tokens = params.tokens;
  let d4s = params.dim / 4u;
  let column = id % d4s;
  let row = id / d4s;   // token and group
  let g = row % params.groups;
  let b = row / params.groups / tokens;
  let query = row * 3u * d4s;
  let stride = params.groups * 3u * d4s;
  let first = b * tokens * stride + g * 3u * d4s + d4s;
  var sum = vec4(0.0);
  var weight = 0.0;
  // four keys at a time, so that a GPU waits once for all of them
  for (var m = 0u; m < tokens; m += 4u) {
    let own = m + vec4(0u, 1u, 2u, 3u);
    let keys = first + min(own, vec4(tokens - 1u)) * stride;
    let values = keys + d4s + column;
    let v = mat4x4(qkv[values.x], qkv[values.y], qkv[values.z], qkv[values.w]);
    var s = vec4(0.0);
    var d = 0u;
    for (; d + 3u < d4s; d += 4u) {
      let s0 = step_at(query + d, keys + d);
      let s1 = step_at(query + d + 1u, keys + d + 1u);
      let s2 = step_at(query + d + 2u, keys + d + 2u);
      let s3 = step_at(query + d + 3u, keys + d + 3u);
      s = add_scores(add_scores(add_scores(add_scores(s, s0), s1), s2), s3);
    }
    for (; d < d4s; d++) { s = add_scores(s, step_at(query + d, keys + d)); }
    s = select(vec4(0.0), s, own < vec4(tokens));
    sum = sum + s.x * v[0] + s.y * v[1] + s.z * v[2] + s.w * v[3];
    weight = weight + s.x + s.y + s.z + s.w;
  }
  y[id] = sum / (weight + params.eps);
}
