// Joined after fragments: lane.
// Part of a buffer into another, as f16, or into an image. One lane per vec4.

struct Params {
  count: u32,      // vec4s
  first: u32,      // where they start in x, in vec4s
  to: u32,         // and in y
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  y[params.to + id] = x[params.first + id];
}
