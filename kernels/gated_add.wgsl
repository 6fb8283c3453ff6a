// y += gate * x, the gate chosen by frame. One lane per vec4.

struct Params { count: u32, d: u32, tokens: u32, stride: u32, offset: u32, }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [B, F, T, d]
@group(0) @binding(2) var<storage, read> gate: array<vec4<f32>>;     // [R, stride]
@group(0) @binding(3) var<storage, read> frames: array<vec4<u32>>;   // [B, F], .x = row of the table
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;  // [B, F, T, d]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.count) { return; }
  let d4 = params.d / 4u;
  let row = frames[id.x / d4 / params.tokens].x;
  y[id.x] += gate[(row * params.stride + params.offset) / 4u + id.x % d4] * x[id.x];
}
