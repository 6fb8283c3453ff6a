// y = x: measures plain loads and stores. One lane per vec4, in the grid's order.

override WG: u32 = 64u;

struct Params { count: u32, }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [count]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;  // [count]

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + lane;
  if (i < params.count) { y[i] = x[i]; }
}
