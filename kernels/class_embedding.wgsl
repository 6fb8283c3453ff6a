// Joined after fragments: lane.
// y[r, :] = act(x[r, :] + table[index[r], :]); an index beyond the table adds nothing (no class).
// One lane per element.

override SILU: bool = false;

struct Params { count: u32, width: u32, entries: u32, }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [rows, width]
@group(0) @binding(2) var<storage, read> table: array<f32>;      // [entries, width]
@group(0) @binding(3) var<storage, read> index: array<u32>;      // [rows]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;    // [rows, width]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let entry = index[id / params.width];
  var v = x[id];
  if (entry < params.entries) { v += table[entry * params.width + id % params.width]; }
  if (SILU) { v = v / (1.0 + exp(-v)); }
  y[id] = v;
}
