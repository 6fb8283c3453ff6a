// Joined after fragments: frame, lane.
// tokens[(b, f, y, x), (c, p1, p2)] = latents[video, frame, c, y P + p1, x P + p2]
// One lane per element of the result.

struct Params {
  count: u32,      // elements of tokens
  frames: u32,     // frames of the pass
  videos: u32,     // videos in latents; the batch of the pass repeats them
  capacity: u32,   // frames per video in latents, a ring
  channels: u32,
  height: u32,
  width: u32,
  patch_size: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> latents: array<f32>;        // [videos, capacity, c, h, w]
@group(0) @binding(2) var<storage, read> frames: array<Frame>;        // [B, F]
@group(0) @binding(3) var<storage, read_write> tokens: array<f32>;   // [B, F, T, c P P]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let side = params.patch_size;
  let features = params.channels * side * side;
  let feature = id % features;
  let token = id / features;
  let columns = params.width / side;
  let per_frame = columns * (params.height / side);
  let frame = token / per_frame;
  let place = token % per_frame;
  let channel = feature / (side * side);
  let y = (place / columns) * side + (feature / side) % side;
  let x = (place % columns) * side + feature % side;
  let video = (frame / params.frames) % params.videos;
  let index = video * params.capacity + frames[frame].index % params.capacity;
  tokens[id] =
    latents[((index * params.channels + channel) * params.height + y) * params.width + x];
}
