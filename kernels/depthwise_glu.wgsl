// Joined after fragments: lane, quotient, depthwise_strip, depthwise_halves.
// y = a * SiLU(g), where [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias, NHWC.
// One lane computes four channels of four pixels in a row: the taps of both halves, then the gate.

@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [B, H, W, C]

fn finish(pixel: u32, c4: u32, a: vec4<f32>, g: vec4<f32>) {
  y[pixel * (params.channels / 4u) + c4] = a * (g / (1.0 + exp(-g)));
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id < params.count) { finish_strip(id); }
}
