// Joined after fragments: lane.
// y[row, :] = x[row, :] + table[class of row, :]. One lane per vec4.

struct Params {
  count: u32,      // vec4s of y
  width: u32,      // vec4s
  first: u32,      // where the table starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;          // [rows]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;        // [rows, width]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let row = index[id / params.width];
  y[id] = x[id] + table[params.first + row * params.width + id % params.width];
}
