// Joined after fragments: lane.
// y[b, 2 r + i, 2 c + j, n] = x[b, r, c, q] + shortcut[b, r, c, q / REPEAT], q = 4 n + 2 i + j.
// One lane computes four channels at the four places that one pixel of x becomes.

override SHORTCUT: bool = false;

struct Params {
  count: u32,      // lanes: B h w ceil(N / 4)
  width: u32,      // of x
  channels: u32,   // N, of y; x has 4 N
  shortcut: u32,   // channels of shortcut
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, h, w, 4 N]
@group(0) @binding(2) var<storage, read> shortcut: array<vec4<f32>>; // [B, h, w, shortcut]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [B, 2 h, 2 w, N padded to 4]

fn shortcut_at(i: u32) -> f32 { return shortcut[i / 4u][i % 4u]; }

// Channel n at the four places.
fn places(pixel: u32, n: u32) -> vec4<f32> {
  if (n >= params.channels) { return vec4(0.0); }
  var v = x[pixel * params.channels + n];
  if (SHORTCUT) {
    let repeat = 4u * params.channels / params.shortcut;
    let q = 4u * n + vec4(0u, 1u, 2u, 3u);
    let at = pixel * params.shortcut + q / repeat;
    v += vec4(shortcut_at(at.x), shortcut_at(at.y), shortcut_at(at.z), shortcut_at(at.w));
  }
  return v;
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let n4s = (params.channels + 3u) / 4u;
  let n4 = id % n4s;
  let pixel = id / n4s;
  let n = 4u * n4;
  let v = transpose(mat4x4(
    places(pixel, n), places(pixel, n + 1u), places(pixel, n + 2u), places(pixel, n + 3u),
  ));
  let row = pixel / params.width;   // of all images
  let corner = 4u * row * params.width + 2u * (pixel % params.width);
  y[corner * n4s + n4] = v[0];
  y[(corner + 1u) * n4s + n4] = v[1];
  y[(corner + 2u * params.width) * n4s + n4] = v[2];
  y[(corner + 2u * params.width + 1u) * n4s + n4] = v[3];
}
