// Position of 16 bytes in a texture that serves as memory.
fn texel(i: u32) -> vec2<u32> { return vec2(i & 1023u, i >> 10u); }
