// state[d, :] = sum_n relu(k_n[d]) [v_n; 1], for each group of 3 D channels (D query, D key and
// D value ones): what linear attention has to know of all tokens.
// One lane computes four columns of one row; the last column block holds the sum of keys.

struct Params {
  count: u32,    // lanes: B G D (D / 4 + 1)
  tokens: u32,   // h w
  groups: u32,   // G, per token
  dim: u32,      // D, a multiple of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;               // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read_write> state: array<vec4<f32>>; // [B, G, D / 4 + 1, D]

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = (group.y * groups.x + group.x) * 32u + lane;
  if (id >= params.count) { return; }
  let d = id % params.dim;
  let blocks = params.dim / 4u + 1u;
  let column = id / params.dim % blocks;
  let g = id / params.dim / blocks % params.groups;
  let b = id / params.dim / blocks / params.groups;
  let stride = params.groups * 3u * params.dim;
  let first = b * params.tokens * stride + (3u * g + 1u) * params.dim;
  var sum = vec4(0.0);
  for (var n = 0u; n < params.tokens; n++) {
    let keys = first + n * stride;
    let i = keys + params.dim + 4u * column;
    var v = vec4(1.0, 0.0, 0.0, 0.0);
    if (column + 1u < blocks) { v = vec4(qkv[i], qkv[i + 1u], qkv[i + 2u], qkv[i + 3u]); }
    sum += max(qkv[keys + d], 0.0) * v;
  }
  state[id] = sum;
}
