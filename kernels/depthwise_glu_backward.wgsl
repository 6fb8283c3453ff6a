// Joined after fragments: lane, quotient, depthwise_strip, depthwise_halves.
// Gradient of y = a * SiLU(g), where [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias:
// dh = [dy SiLU(g); dy a SiLU'(g)] of both halves; and, AGAIN, y, which the next layer's weight needs.
// One lane computes four channels of four pixels in a row, as forwards.

override AGAIN: bool = true;

@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;       // [B, H, W, C]
@group(0) @binding(5) var<storage, read_write> dh: array<vec4<f32>>; // [B, H, W, 2 C]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // [B, H, W, C]

fn finish(pixel: u32, c4: u32, a: vec4<f32>, g: vec4<f32>) {
  let half = params.channels / 4u;
  let s = 1.0 / (1.0 + exp(-g));
  let i = pixel * half + c4;
  let d = dy[i];
  let to = i + pixel * half;
  dh[to] = d * g * s;
  dh[to + half] = d * a * (s + g * s * (1.0 - s));
  if (AGAIN) { y[i] = a * g * s; }
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id < params.count) { finish_strip(id); }
}
