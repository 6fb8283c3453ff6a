// MS-SSIM of each picture, the product over scales of means to the power of their weights, as
// partial[b] = weight (1 - product), summed over colours; each mean becomes the slope of that along
// a window of its scale. A mean below FLOOR counts as FLOOR, and still has a slope, so that pictures
// which have nothing in common can be brought together. One lane per picture.

const FLOOR = 0.0001;

struct Params {
  pictures: u32,
  scales: u32,
  weight: f32,     // 1 / (3 pictures of the whole step), times the loss's own weight
  power0: f32,
  power1: f32,
  power2: f32,
  power3: f32,
  power4: f32,
  windows0: f32,
  windows1: f32,
  windows2: f32,
  windows3: f32,
  windows4: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> means: array<vec4<f32>>;  // [scales, B, 4]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;      // [B]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let picture = group.x * 64u + lane;
  if (picture >= params.pictures) { return; }
  var powers = array<f32, 5>(
    params.power0, params.power1, params.power2, params.power3, params.power4,
  );
  var windows = array<f32, 5>(
    params.windows0, params.windows1, params.windows2, params.windows3, params.windows4,
  );
  var product = vec4(1.0);
  for (var i = 0u; i < params.scales; i++) {
    product *= pow(max(means[i * params.pictures + picture], vec4(FLOOR)), vec4(powers[i]));
  }
  for (var i = 0u; i < params.scales; i++) {
    let at = i * params.pictures + picture;
    let slope = product * powers[i] / max(means[at], vec4(FLOOR));
    means[at] = vec4(-params.weight * slope.xyz / windows[i], 0.0);
  }
  partial[picture] = params.weight * dot(vec3(1.0) - product.xyz, vec3(1.0));
}
