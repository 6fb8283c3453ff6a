// y[b, 0] = x[b, F - 1]: the last frame of each video. One lane per vec4.

struct Params {
  count: u32,    // vec4s of y
  frames: u32,   // F
  size: u32,     // vec4s of a frame
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [B, F, T, d]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;  // [B, 1, T, d]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.count) { return; }
  let video = id.x / params.size;
  y[id.x] = x[(video * params.frames + params.frames - 1u) * params.size + id.x % params.size];
}
