// Joined after fragments: lane, quotient, depthwise_halves.
// y = a * SiLU(g), where [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias, NHWC.
// One lane computes four channels of one pixel: the taps of both halves, then the gate.

@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [B, H, W, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let h = halves(id);
  y[id] = h.a * (h.g / (1.0 + exp(-h.g)));
}
