// Joined after fragments: lane.
// With BACKWARD dtable[first + class, :] += the sum of x[row, :] over the rows of the class, in their
// order: a scatter-add without atomics. Else x[row, :] += table[class of row, :].
// One lane per vec4 of the result.

override BACKWARD: bool = false;

struct Params {
  rows: u32,
  classes: u32,
  width: u32,      // vec4s
  first: u32,      // where the table starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;              // [rows]
@group(0) @binding(2) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> to: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  let own = id / params.width;
  let column = id % params.width;
  if (own >= select(params.rows, params.classes, BACKWARD)) { return; }
  if (!BACKWARD) {
    to[id] += source[params.first + index[own] * params.width + column];
    return;
  }
  var sum = vec4(0.0);
  for (var row = 0u; row < params.rows; row++) {
    if (index[row] == own) { sum += source[row * params.width + column]; }
  }
  to[params.first + id] += sum;
}
