// Joined after fragments: lane, quotient, depthwise_halves.
// Gradient of y = a * SiLU(g), where [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias:
// dh = [dy SiLU(g); dy a SiLU'(g)] of both halves; and y again, which the next layer's weight needs.
// One lane computes four channels of one pixel, as forwards.

@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;       // [B, H, W, C]
@group(0) @binding(5) var<storage, read_write> dh: array<vec4<f32>>; // [B, H, W, 2 C]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // [B, H, W, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let h = halves(id);
  let s = 1.0 / (1.0 + exp(-h.g));
  let d = dy[id];
  let half = params.channels / 4u;
  let to = id + quotient(id, half) * half;
  dh[to] = d * h.g * s;
  dh[to + half] = d * h.a * (s + h.g * s * (1.0 - s));
  y[id] = h.a * h.g * s;
}
