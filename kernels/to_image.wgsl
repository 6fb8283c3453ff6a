// Joined after fragments: lane.
// A matrix to an image, row after row: software adapters gather from images many times faster.
// One lane per vec4.

struct Params {
  count: u32,      // vec4s
  columns: u32,    // vec4s per row
  stride: u32,     // vec4s from row to row of x
  first: u32,      // where x starts, in vec4s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var y: texture_storage_2d<rgba32uint, write>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let from_x = params.first + id / params.columns * params.stride + id % params.columns;
  textureStore(y, vec2(id % 1024u, id / 1024u), x[from_x]);
}
