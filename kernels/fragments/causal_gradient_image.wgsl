// The gradient of training's attention for its result, in an image. After broadcast.

@group(0) @binding(3) var dy: texture_storage_2d<rgba32uint, read>;   // [R, d]

fn dy_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(dy, texel(i))); }
