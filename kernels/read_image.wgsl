// Joined after fragments: lane.
// y[b, r, c, :] = (R, G, B, 0) * 2 - 1 of images from 0 to 1, or of bytes from 0 to 255.
// One lane per pixel.

override BYTES: bool = false;   // RGB interleaved, 8 bits each; else planar f32

struct Params {
  count: u32,    // B H W
  pixels: u32,   // H W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> image: array<u32>;         // [B, 3, H, W] or [B, H, W, 3]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [B, H, W, 4]

fn byte(i: u32) -> f32 {
  return f32((image[i / 4u] >> (8u * (i % 4u))) & 255u) / 255.0;
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  var rgb: vec3<f32>;
  if (BYTES) {
    rgb = vec3(byte(3u * id), byte(3u * id + 1u), byte(3u * id + 2u));
  } else {
    let i = id / params.pixels * 3u * params.pixels + id % params.pixels;
    rgb = bitcast<vec3<f32>>(
      vec3(image[i], image[i + params.pixels], image[i + 2u * params.pixels]),
    );
  }
  y[id] = vec4(rgb * 2.0 - 1.0, 0.0);
}
