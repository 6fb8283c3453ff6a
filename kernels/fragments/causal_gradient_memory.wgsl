// The gradient of training's attention for its result, in a buffer.

@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;   // [R, d]

fn dy_at(i: u32) -> vec4<f32> { return dy[i]; }
