// A lane of a depthwise 3 x 3 convolution (zero padding), NHWC, computes four channels of a strip, four
// pixels of a row, which share most of what they read of x and w.

// Where the first pixel of a strip is, and how many there are up to the end of its row.
struct Strip { pixel: u32, row: u32, column: u32, left: u32, c4: u32, }

fn strip_of(id: u32) -> Strip {
  let c4s = params.channels / 4u;
  let strips = (params.width + 3u) / 4u;
  let of_all = quotient(id, c4s);
  let row = quotient(of_all, strips);   // of all images
  let column = 4u * (of_all - row * strips);
  let own_row = row - quotient(row, params.height) * params.height;
  let c4 = id - of_all * c4s;
  return Strip(row * params.width + column, own_row, column, params.width - column, c4);
}

// Four channels of a strip's pixels in another row, of the two beside it, and three taps' weights.
struct Seen { before: vec4<f32>, own: mat4x4<f32>, after: vec4<f32>, taps: mat3x4<f32>, }

// `at` is where the strip begins in x, `tap` the first tap in w, `step` that to the next pixel and tap.
fn seen(s: Strip, at: u32, tap: u32, step: u32) -> Seen {
  let zero = vec4(0.0);
  let inside = vec4(s.left) > vec4(1u, 2u, 3u, 4u);
  let i = at + select(vec4(0u), vec4(1u, 2u, 3u, 4u), inside) * step;
  return Seen(
    select(zero, x[at - select(0u, step, s.column > 0u)], s.column > 0u),
    mat4x4(
      x[at], select(zero, x[i.x], inside.x), select(zero, x[i.y], inside.y),
      select(zero, x[i.z], inside.z),
    ),
    select(zero, x[i.w], inside.w),
    mat3x4(w[tap], w[tap + step], w[tap + 2u * step]),
  );
}

fn add_taps(s: mat4x4<f32>, v: Seen) -> mat4x4<f32> {
  let t = v.taps;
  return mat4x4(
    s[0] + v.before * t[0] + v.own[0] * t[1] + v.own[1] * t[2],
    s[1] + v.own[0] * t[0] + v.own[1] * t[1] + v.own[2] * t[2],
    s[2] + v.own[1] * t[0] + v.own[2] * t[1] + v.own[3] * t[2],
    s[3] + v.own[2] * t[0] + v.own[3] * t[1] + v.after * t[2],
  );
}
