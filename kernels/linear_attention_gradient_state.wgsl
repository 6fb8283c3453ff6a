// Joined after fragments: lane.
// dstate[d, :] = sum_n relu(q_n[d]) [da_n; db_n], for each group: the gradient of what linear
// attention knows of all tokens. One lane computes four columns of four rows, as of the state itself.

struct Params {
  count: u32,    // lanes: B G (D / 4) (D / 4 + 1)
  tokens: u32,
  groups: u32,   // G
  dim: u32,      // D, a multiple of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;          // [B, tokens, G, 3 D]
@group(0) @binding(2) var<storage, read> da: array<vec4<f32>>;           // [B, tokens, G, D]
@group(0) @binding(3) var<storage, read> db: array<f32>;                 // [B, tokens, G]
@group(0) @binding(4) var<storage, read_write> dstate: array<vec4<f32>>; // [B, G, D / 4 + 1, D]

@compute @workgroup_size(32)
fn main(lane: Lane) {
  let id = item_of(lane, 32u);
  if (id >= params.count) { return; }
  let d4s = params.dim / 4u;
  let d4 = id % d4s;
  let block = id / d4s % (d4s + 1u);
  let g = id / d4s / (d4s + 1u) % params.groups;
  let b = id / d4s / (d4s + 1u) / params.groups;
  let last = block == d4s;
  var sum = mat4x4<f32>();
  for (var n = 0u; n < params.tokens; n++) {
    let row = (b * params.tokens + n) * params.groups + g;
    let q = max(qkv[row * 3u * d4s + d4], vec4(0.0));
    let v = select(da[row * d4s + min(block, d4s - 1u)], vec4(db[row], 0.0, 0.0, 0.0), last);
    sum += mat4x4(q.x * v, q.y * v, q.z * v, q.w * v);
  }
  for (var i = 0u; i < 4u; i++) { dstate[4u * id + i] = sum[i]; }
}
