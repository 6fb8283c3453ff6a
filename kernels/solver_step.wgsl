// Joined after fragments: step, lane.
// x += c0 v + c1 v_previous on one frame of the latents, with v = v_u + guidance (v_c - v_u) where
// the batch holds an unconditional half first; v is kept for the next call. Unpatchifies on the way.
// One lane per latent element. Euler is c1 = 0.

override GUIDED: bool = false;

struct Params {
  videos: u32,
  capacity: u32,   // frames per video in latents, a ring
  channels: u32,
  height: u32,
  width: u32,
  patch_size: u32,
  stride: u32,     // floats per token of v
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> velocity: array<f32>;         // [B, T, stride]
@group(0) @binding(3) var<storage, read_write> previous: array<f32>;   // [videos, c, h, w]
@group(0) @binding(4) var<storage, read_write> latents: array<f32>;    // [videos, capacity, c, h, w]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  let plane = params.height * params.width;
  let volume = params.channels * plane;
  if (id >= params.videos * volume) { return; }
  let video = id / volume;
  let rest = id % volume;
  let channel = rest / plane;
  let y = (rest % plane) / params.width;
  let x = rest % params.width;
  let side = params.patch_size;
  let tokens = plane / (side * side);
  let token = (y / side) * (params.width / side) + x / side;
  let feature = (channel * side + y % side) * side + x % side;
  let i = (video * tokens + token) * params.stride + feature;
  var v = velocity[i];
  if (GUIDED) {
    let conditional = velocity[i + params.videos * tokens * params.stride];
    v += step.guidance * (conditional - v);
  }
  let at = (video * params.capacity + step.latent_frame % params.capacity) * volume + rest;
  latents[at] += step.c0 * v + step.c1 * previous[id];
  previous[id] = v;
}
