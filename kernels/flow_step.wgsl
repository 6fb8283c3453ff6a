// Joined after fragments: lane.
// y = x + c v, or with ADD y += c v, where c is of the row's frame. One lane per vec4.

override ADD: bool = false;

struct Params {
  count: u32,      // vec4s
  width: u32,      // vec4s per frame
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;            // not read with ADD
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> c: array<f32>;                  // [frames]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let i = item_of(lane, 64u);
  if (i >= params.count) { return; }
  let step = c[i / params.width] * v[i];
  if (ADD) { y[i] += step; } else { y[i] = x[i] + step; }
}
