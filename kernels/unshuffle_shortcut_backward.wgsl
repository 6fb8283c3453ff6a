// Joined after fragments: lane.
// dx[b, 2 r + i, 2 c + j, k] += dy[b, r, c, q / size] / size, q = 4 k + 2 i + j: where the shortcut of
// `pixel_unshuffle` averaged groups of `size` places, each gets its share. One lane per vec4 of dx.

struct Params {
  count: u32,      // lanes: B H W K / 4
  width: u32,      // of dx, twice that of dy
  channels: u32,   // K
  outputs: u32,    // channels of dy
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [B, H / 2, W / 2, outputs]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>; // [B, H, W, K]

fn dy_at(i: u32) -> f32 { return dy[i / 4u][i % 4u]; }

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let k4s = params.channels / 4u;
  let pixel = id / k4s;
  let row = pixel / params.width;   // of all images
  let column = pixel % params.width;
  let q = 16u * (id % k4s) + vec4(0u, 4u, 8u, 12u) + 2u * (row % 2u) + column % 2u;
  let size = 4u * params.channels / params.outputs;
  let at = (row / 2u * (params.width / 2u) + column / 2u) * params.outputs + q / size;
  dx[id] += vec4(dy_at(at.x), dy_at(at.y), dy_at(at.z), dy_at(at.w)) / f32(size);
}
