// Rows of training's attention, in images: rotated queries and keys, and values. After broadcast.

@group(0) @binding(1) var qk: texture_storage_2d<rgba32uint, read>;    // [R, 2 d], rotated
@group(0) @binding(2) var qkv: texture_storage_2d<rgba32uint, read>;   // [R, 3 d]

fn qk_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(qk, texel(i))); }

fn qkv_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(qkv, texel(i))); }
