// Joined after fragments: lane, attention_sums.
// dstate[d, :] = sum_n relu(q_n[d]) [da_n; db_n], for each group: the gradient of what linear
// attention knows of all tokens. One lane computes four columns of four rows, as of the state itself.

const PART = 0u;   // queries

@group(0) @binding(2) var<storage, read> da: array<vec4<f32>>;           // [B, tokens, G, D]
@group(0) @binding(3) var<storage, read> db: array<f32>;                 // [B, tokens, G]
@group(0) @binding(4) var<storage, read_write> dstate: array<vec4<f32>>; // [B, G, D / 4 + 1, D]

fn columns(at: Block, i: u32, row: u32) -> vec4<f32> {
  return select(da[row * at.d4s + at.column4], vec4(db[row], 0.0, 0.0, 0.0), at.last);
}

@compute @workgroup_size(32)
fn main(lane: Lane) {
  let id = item_of(lane, 32u);
  if (id >= params.count) { return; }
  let sum = sums(id);
  for (var i = 0u; i < 4u; i++) { dstate[4u * id + i] = sum[i]; }
}
