// Joined after fragments: lane, attention_sums.
// state[d, :] = sum_n relu(k_n[d]) [v_n; 1], for each group: what linear attention has to know of all
// tokens. One lane computes four columns of four rows, or the sums of four channels of keys.

const PART = 1u;   // keys

@group(0) @binding(2) var<storage, read_write> state: array<vec4<f32>>; // [B, G, D / 4 + 1, D]

fn columns(at: Block, i: u32, row: u32) -> vec4<f32> {
  return select(qkv[i + at.values], vec4(1.0, 0.0, 0.0, 0.0), at.last);
}

@compute @workgroup_size(32)
fn main(lane: Lane) {
  let id = item_of(lane, 32u);
  if (id >= params.count) { return; }
  let sum = sums(id);
  for (var i = 0u; i < 4u; i++) { state[4u * id + i] = sum[i]; }
}
