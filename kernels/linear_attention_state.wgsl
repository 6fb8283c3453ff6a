// Joined after fragments: lane, attention_sums.
// state[d, :] = sum_n relu(k_n[d]) [v_n; 1], for each group: what linear attention has to know of all
// tokens. One lane computes four columns of four rows; the last block of columns is the sum of keys.

const PART = 1u;   // keys

@group(0) @binding(2) var<storage, read_write> state: array<vec4<f32>>; // [B, G, D / 4 + 1, D]

fn columns(row: u32, block: u32, last: bool) -> vec4<f32> {
  let value = qkv[(3u * row + 2u) * params.dim / 4u + block];
  return select(value, vec4(1.0, 0.0, 0.0, 0.0), last);
}

@compute @workgroup_size(32)
fn main(lane: Lane) {
  let id = item_of(lane, 32u);
  if (id >= params.count) { return; }
  let sum = sums(id);
  for (var i = 0u; i < 4u; i++) { state[4u * id + i] = sum[i]; }
}
