// means[b] = the mean over a picture's windows, by channel, in a fixed order. One workgroup per
// picture: each of 64 lanes adds up every 64th window, then halves are added.

struct Params { windows: u32, first: u32, }   // windows per picture; where means start

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;        // [B, windows, 4]
@group(0) @binding(2) var<storage, read_write> means: array<vec4<f32>>;  // [scales, B, 4]

var<workgroup> sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var sum = vec4(0.0);
  for (var i = lane; i < params.windows; i += 64u) { sum += parts[group.x * params.windows + i]; }
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (lane < half) { sums[lane] += sums[lane + half]; }
    workgroupBarrier();
  }
  if (lane == 0u) { means[params.first + group.x] = sums[0] / f32(params.windows); }
}
