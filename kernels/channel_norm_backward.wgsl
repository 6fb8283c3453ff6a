// dx of y = x / sqrt(mean(x^2) + eps) * weight + bias, the mean over a pixel's channels: with
// r = 1 / sqrt(...) and g = dy weight, dx = r (g - x r^2 mean(g x)). Keeps r of each pixel.
// One workgroup per pixel: every lane adds up its share, then all the shares.

override WG: u32 = 64u;

struct Params {
  channels: u32,   // a multiple of 4
  pixels: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [pixels, C]
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;   // [C]
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;       // [pixels, C]
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>; // [pixels, C]
@group(0) @binding(5) var<storage, read_write> stats: array<f32>;    // [pixels]

var<workgroup> shares: array<vec2<f32>, WG>;

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
  var share = vec2(0.0);
  for (var c = lane; c < c4s; c += WG) {
    let v = x[first + c];
    share += vec2(dot(v, v), dot(v, dy[first + c] * weight[c]));
  }
  shares[lane] = share;
  workgroupBarrier();
  if (place > pixel) { return; }
  var sum = vec2(0.0);
  for (var i = 0u; i < WG; i++) { sum += shares[i]; }
  let mean = sum / f32(params.channels);
  let inverse = inverseSqrt(mean.x + params.eps);
  let factor = inverse * inverse * mean.y;
  for (var c = lane; c < c4s; c += WG) {
    dx[first + c] = inverse * (dy[first + c] * weight[c] - factor * x[first + c]);
  }
  if (lane == 0u) { stats[pixel] = inverse; }
}
