// Joined after fragments: lane.
// dx[b, r, c, k] += sum over q from k REPEAT to (k + 1) REPEAT - 1 of dy[b, 2 r + i, 2 c + j, n],
// q = 4 n + 2 i + j: the shortcut of `pixel_shuffle` repeated each channel. One lane per vec4 of dx.

struct Params {
  count: u32,      // lanes: B h w K / 4
  width: u32,      // of dx
  channels: u32,   // K
  outputs: u32,    // channels of dy
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [B, 2 h, 2 w, outputs]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>; // [B, h, w, K]

// What channel k was repeated for.
fn sum_of(corner: u32, k: u32) -> f32 {
  let repeat = 4u * params.outputs / params.channels;
  var sum = 0.0;
  for (var q = k * repeat; q < (k + 1u) * repeat; q++) {
    let place = corner + q / 2u % 2u * 2u * params.width + q % 2u;
    let i = place * params.outputs + q / 4u;
    sum += dy[i / 4u][i % 4u];
  }
  return sum;
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let k4s = params.channels / 4u;
  let pixel = id / k4s;
  let row = pixel / params.width;   // of all images
  let corner = 4u * row * params.width + 2u * (pixel % params.width);
  let k = 4u * (id % k4s);
  dx[id] += vec4(
    sum_of(corner, k), sum_of(corner, k + 1u), sum_of(corner, k + 2u), sum_of(corner, k + 3u),
  );
}
