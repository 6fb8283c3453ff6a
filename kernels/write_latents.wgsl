// Joined after fragments: lane.
// latents[frame_b, c, p] = scale * x[b, p, c]: frames that a small buffer names, channels first.
// One lane per element of x.

struct Params {
  count: u32,      // B P C
  pixels: u32,     // P = h w
  channels: u32,
  frames: u32,     // in latents
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // [B, P, C]
@group(0) @binding(2) var<storage, read> frames: array<u32>;        // [B]
@group(0) @binding(3) var<storage, read_write> latents: array<f32>; // [frames, C, P]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let pixel = id % params.pixels;
  let channel = id / params.pixels % params.channels;
  let b = id / params.pixels / params.channels;
  let frame = frames[b];
  if (frame >= params.frames) { return; }
  let at = (b * params.pixels + pixel) * params.channels + channel;
  latents[(frame * params.channels + channel) * params.pixels + pixel] = params.scale * x[at];
}
