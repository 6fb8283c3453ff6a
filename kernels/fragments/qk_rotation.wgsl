// Shared by the rotation for training and its gradient: layout of rows, and the angle of each vec4.

struct Params {
  rows: u32,         // rows of this kind of tokens
  first: u32,        // first of these rows
  heads: u32,
  tokens: u32,       // per frame
  frames: u32,       // per video
  first_frame: u32,  // position of a video's first frame
  columns: u32,      // tokens per row of a frame
  spread: u32,       // factor of row and column positions (context patches)
  time_pairs: u32,   // vec4s of the head rotated by the frame, two pairs each
  row_pairs: u32,
  time: u32,         // start of the frame angles in `rope`, in vec4s
  q_weight: u32,     // start of the weights, in vec4s
  k_weight: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;       // [R, 3 d]
@group(0) @binding(2) var<storage, read> q_weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> k_weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> rope: array<vec4<f32>>;      // (cos, sin): space, then time

// cos and sin for the i-th vec4 of a head: frame first, then row, then column.
fn angle(i: u32, row: u32) -> vec4<f32> {
  let token = row % params.tokens;
  if (i < params.time_pairs) {
    let frame = params.first_frame + row / params.tokens % params.frames;
    return rope[params.time + frame * params.time_pairs + i];
  }
  let along_rows = i < params.time_pairs + params.row_pairs;
  let place = select(token % params.columns, token / params.columns, along_rows);
  return rope[place * params.spread * (16u - params.time_pairs) + i - params.time_pairs];
}

