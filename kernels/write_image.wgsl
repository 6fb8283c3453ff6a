// Joined after fragments: lane.
// image = clamp(x / 2 + 0.5, 0, 1): the end of decoding, as planar f32 or as RGB bytes.
// One lane per element of the image, or per four bytes of it (the last may be padding).

override BYTES: bool = false;   // RGB interleaved, 8 bits each, rounded to nearest

struct Params {
  count: u32,    // lanes
  values: u32,   // B 3 H W
  pixels: u32,   // H W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // [B, H, W, 4]
@group(0) @binding(2) var<storage, read_write> image: array<u32>; // [B, 3, H, W] or [B, H, W, 3]

fn value(pixel: u32, channel: u32) -> f32 {
  return clamp(x[4u * pixel + channel] * 0.5 + 0.5, 0.0, 1.0);
}

fn byte(i: u32) -> u32 {
  if (i >= params.values) { return 0u; }
  return u32(value(i / 3u, i % 3u) * 255.0 + 0.5);
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  if (BYTES) {
    let i = 4u * id;
    image[id] = byte(i) | (byte(i + 1u) << 8u) | (byte(i + 2u) << 16u) | (byte(i + 3u) << 24u);
  } else {
    let plane = id / params.pixels;
    image[id] = bitcast<u32>(value(plane / 3u * params.pixels + id % params.pixels, plane % 3u));
  }
}
