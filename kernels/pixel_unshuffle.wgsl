// Joined after fragments: lane.
// y[b, r, c, (k, i, j)] = x[b, 2 r + i, 2 c + j, k], plus the shortcut, unshuffled in the same way
// and averaged over groups of channels.
// One lane computes four channels of one pixel of y: one channel of x at four places.

override SHORTCUT: bool = false;

struct Params {
  count: u32,      // lanes: B h w N / 4
  height: u32,     // of y; x and shortcut have twice as many rows and columns
  width: u32,
  channels: u32,   // N, of y
  stride: u32,     // channels of x: N / 4, padded
  shortcut: u32,   // channels of shortcut
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, 2 h, 2 w, stride]
@group(0) @binding(2) var<storage, read> shortcut: array<vec4<f32>>; // [B, 2 h, 2 w, shortcut]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [B, h, w, N]

fn x_at(i: u32) -> f32 { return x[i / 4u][i % 4u]; }

fn shortcut_at(i: u32) -> f32 { return shortcut[i / 4u][i % 4u]; }

// Mean of the channels of the unshuffled shortcut that go into channel n.
fn mean_of(place: vec4<u32>, n: u32) -> f32 {
  let group = 4u * params.shortcut / params.channels;
  var sum = 0.0;
  for (var q = n * group; q < (n + 1u) * group; q++) {
    sum += shortcut_at(place[q % 4u] * params.shortcut + q / 4u);
  }
  return sum / f32(group);
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let n4s = params.channels / 4u;
  let k = id % n4s;
  let pixel = id / n4s;
  let row = pixel / params.width;   // of all images
  let corner = 4u * row * params.width + 2u * (pixel % params.width);
  let place = corner + vec4(0u, 1u, 2u * params.width, 2u * params.width + 1u);
  let at = place * params.stride + k;
  var v = vec4(x_at(at.x), x_at(at.y), x_at(at.z), x_at(at.w));
  if (SHORTCUT) {
    let n = 4u * k;
    v += vec4(
      mean_of(place, n), mean_of(place, n + 1u), mean_of(place, n + 2u), mean_of(place, n + 3u),
    );
  }
  y[id] = v;
}
