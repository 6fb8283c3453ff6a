// What becomes of q, k and v of a token: rotation by its place in the video, and half floats. The
// kernel has `rope`, (cos, sin) pairs, space then time, and in its params:
//   time_pairs   vec4s of the head rotated by the frame index, two pairs each
//   row_pairs    those rotated by the row
//   time         start of the pass's frame angles in `rope`, in vec4s
//   columns      tokens per row of a frame
//   spread       factor of row and column positions (context patches)

fn rotate(x: vec4<f32>, angle: vec4<f32>) -> vec4<f32> {
  return vec4(
    x.x * angle.x - x.y * angle.y, x.y * angle.x + x.x * angle.y,
    x.z * angle.z - x.w * angle.w, x.w * angle.z + x.z * angle.w,
  );
}

// cos and sin for the i-th vec4 of a head: frame index first, then row, then column.
fn angle(i: u32, frame: u32, token: u32) -> vec4<f32> {
  if (i < params.time_pairs) { return rope[params.time + frame * params.time_pairs + i]; }
  var position = (token / params.columns) * params.spread;
  if (i >= params.time_pairs + params.row_pairs) {
    position = (token % params.columns) * params.spread;
  }
  return rope[position * (16u - params.time_pairs) + i - params.time_pairs];
}

// 1 / the root of the mean of 64 squares.
fn inverse_root(squares: f32) -> f32 { return inverseSqrt(squares / 64.0 + 1e-6); }

// Half floats end at 65504; what lies beyond would be infinite, or anything.
fn halves(x: vec4<f32>) -> vec2<u32> {
  let finite = clamp(x, vec4(-65504.0), vec4(65504.0));
  return vec2(pack2x16float(finite.xy), pack2x16float(finite.zw));
}
