// Rows of training's attention, in buffers: rotated queries and keys, and values.

@group(0) @binding(1) var<storage, read> qk: array<vec4<f32>>;    // [R, 2 d], rotated
@group(0) @binding(2) var<storage, read> qkv: array<vec4<f32>>;   // [R, 3 d]

fn qk_at(i: u32) -> vec4<f32> { return qk[i]; }

fn qkv_at(i: u32) -> vec4<f32> { return qkv[i]; }
