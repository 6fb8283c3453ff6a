// y = a * SiLU(g), where [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias, NHWC.
// One lane computes four channels of one pixel: the taps of both halves, then the gate.

struct Params {
  count: u32,      // lanes: B H W C / 4
  height: u32,
  width: u32,
  channels: u32,   // C, channels of y; x has twice as many
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, H, W, 2 C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [taps, 2 C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [2 C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [B, H, W, C]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = (group.y * groups.x + group.x) * 64u + lane;
  if (id >= params.count) { return; }
  let half = params.channels / 4u;
  let c = id % half;
  let pixel = id / half;
  let column = pixel % params.width;
  let row = pixel / params.width % params.height;
  var a = bias[c];
  var g = bias[half + c];
  for (var tap = 0u; tap < 9u; tap++) {
    // one more than the neighbour's place, so that it stays unsigned
    let ny = row + tap / 3u;
    let nx = column + tap % 3u;
    if (ny >= 1u && ny <= params.height && nx >= 1u && nx <= params.width) {
      let i = (pixel + ny * params.width + nx - row * params.width - column - params.width - 1u)
        * 2u * half + c;
      let j = tap * 2u * half + c;
      a += x[i] * w[j];
      g += x[i + half] * w[j + half];
    }
  }
  y[id] = a * (g / (1.0 + exp(-g)));
}
