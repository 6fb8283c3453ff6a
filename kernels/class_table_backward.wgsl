// Joined after fragments: lane.
// dtable[class, :] += the sum of dx[row, :] over the rows of the class, in their order: a scatter-add
// without atomics. One lane per vec4 of the table.

struct Params {
  count: u32,      // vec4s of the table
  rows: u32,
  width: u32,      // vec4s
  first: u32,      // where the table starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;               // [rows]
@group(0) @binding(2) var<storage, read> dx: array<vec4<f32>>;            // [rows, width]
@group(0) @binding(3) var<storage, read_write> dtable: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let own = id / params.width;
  var sum = vec4(0.0);
  for (var row = 0u; row < params.rows; row++) {
    if (index[row] == own) { sum += dx[row * params.width + id % params.width]; }
  }
  dtable[params.first + id] += sum;
}
