// Pixels [B, H, W, C], and those that the outputs of a 4 x 4 convolution read, [B, rows, columns, 16, C].

struct Params {
  count: u32,     // lanes
  height: u32,    // H
  width: u32,
  rows: u32,
  columns: u32,
  stride: u32,    // pixels from output to output
  quads: u32,     // C / 4
}

@group(0) @binding(0) var<uniform> params: Params;
