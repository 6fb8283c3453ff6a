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
@group(0) @binding(4) var<storage, read> rope: array<vec4<f32>>;      // (cos, sin): space, then time

// Where the angles of a token start, in vec4s: of its frame, its row and its column.
struct Angles { time: u32, along_rows: u32, along_columns: u32 }

fn angles_of(row: u32) -> Angles {
  let token = row % params.tokens;
  let frame = params.first_frame + row / params.tokens % params.frames;
  let stride = params.spread * (16u - params.time_pairs);
  return Angles(
    params.time + frame * params.time_pairs,
    token / params.columns * stride,
    token % params.columns * stride,
  );
}

// cos and sin for the i-th vec4 of a head: frame first, then row, then column.
fn angle(i: u32, start: Angles) -> vec4<f32> {
  if (i < params.time_pairs) { return rope[start.time + i]; }
  let along_rows = i < params.time_pairs + params.row_pairs;
  return rope[select(start.along_columns, start.along_rows, along_rows) + i - params.time_pairs];
}

// Rotates by the negative angle.
fn rotate_back(x: vec4<f32>, angle: vec4<f32>) -> vec4<f32> {
  return vec4(
    x.x * angle.x + x.y * angle.y, x.y * angle.x - x.x * angle.y,
    x.z * angle.z + x.w * angle.w, x.w * angle.z - x.z * angle.w,
  );
}

// 1 / rms of the head that starts at `source`.
fn inverse_rms(source: u32) -> f32 {
  var squares = vec4(0.0);
  for (var j = 0u; j < 16u; j++) {
    let v = qkv[source + j];
    squares += v * v;
  }
  return 1.0 / sqrt(dot(squares, vec4(1.0)) / 64.0 + 1e-6);
}
