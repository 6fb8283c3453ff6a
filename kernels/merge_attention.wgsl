// Joined after fragments: lane.
// out = sum over parts of exp(max_s - max) o_s / sum of exp(max_s - max) total_s: joins what the
// splits of `attention` computed. One lane per vec4 of the result.

override SPLIT: u32 = 2u;

struct Params { rows: u32, }  // queries times heads, all videos

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;     // [rows, SPLIT, 17]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>; // [rows, 16]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  let row = id / 16u;
  if (row >= params.rows) { return; }
  let first = row * SPLIT * 17u;
  var maximum = -1e30;
  for (var s = 0u; s < SPLIT; s++) { maximum = max(maximum, parts[first + s * 17u + 16u].x); }
  var sum = vec4(0.0);
  var total = 0.0;
  for (var s = 0u; s < SPLIT; s++) {
    let stats = parts[first + s * 17u + 16u];
    let weight = exp(stats.x - maximum);
    total += weight * stats.y;
    sum += weight * parts[first + s * 17u + id % 16u];
  }
  out[id] = sum / total;
}
