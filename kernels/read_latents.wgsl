// Joined after fragments: lane.
// y[b, p, c] = scale * latents[frame_b, c, p]: frames that a small buffer names, channels last.
// One lane per element of y.

struct Params {
  count: u32,      // B P C
  pixels: u32,     // P = h w
  channels: u32,
  frames: u32,     // in latents
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> latents: array<f32>;      // [frames, C, P]
@group(0) @binding(2) var<storage, read> frames: array<u32>;       // [B]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;      // [B, P, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let channel = id % params.channels;
  let pixel = id / params.channels % params.pixels;
  let frame = min(frames[id / params.channels / params.pixels], params.frames - 1u);
  y[id] = params.scale * latents[(frame * params.channels + channel) * params.pixels + pixel];
}
