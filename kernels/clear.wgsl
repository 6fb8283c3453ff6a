// Joined after fragments: lane.
// x[first .. first + count) = 0. One lane per vec4.

struct Params { first: u32, count: u32, }   // vec4s

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id < params.count) { x[params.first + id] = vec4(0.0); }
}
