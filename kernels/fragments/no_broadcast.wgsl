// Replaces broadcast.wgsl if lanes read everything themselves: never called.

fn low(x: vec4<f32>) -> mat4x4<f32> { return mat4x4(x, x, x, x); }

fn high(x: vec4<f32>) -> mat4x4<f32> { return mat4x4(x, x, x, x); }

