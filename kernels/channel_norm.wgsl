// y = act(x / sqrt(mean(x^2) + eps) * weight + bias), or y += that, the mean over a pixel's
// channels. One workgroup per pixel: every lane adds up its share, then all the shares.

override WG: u32 = 64u;
override RELU: bool = false;
override RESIDUAL: bool = false;   // y += value

struct Params {
  channels: u32,   // a multiple of 4
  pixels: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [pixels, C]
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;  // [C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [pixels, C]

var<workgroup> shares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let c4s = params.channels / 4u;
  let place = group.y * groups.x + group.x;
  let pixel = min(place, params.pixels - 1u);   // past the end too: all must reach the barrier
  let first = pixel * c4s;
  var share = 0.0;
  for (var c = lane; c < c4s; c += WG) {
    let v = x[first + c];
    share += dot(v, v);
  }
  shares[lane] = share;
  workgroupBarrier();
  if (place > pixel) { return; }
  var sum = 0.0;
  for (var i = 0u; i < WG; i++) { sum += shares[i]; }
  let inverse = inverseSqrt(sum / f32(params.channels) + params.eps);
  for (var c = lane; c < c4s; c += WG) {
    var v = x[first + c] * inverse * weight[c] + bias[c];
    if (RELU) { v = max(v, vec4(0.0)); }
    if (RESIDUAL) { v += y[first + c]; }
    y[first + c] = v;
  }
}
