// [a; g] = depthwise 3 x 3 convolution of x (zero padding) + bias, NHWC: what a GLU gates. A lane
// computes four channels of a strip, four pixels of a row, which share most of what they read.

struct Params {
  count: u32,      // lanes: B H ceil(W / 4) C / 4
  height: u32,
  width: u32,
  channels: u32,   // C, channels of y; x has twice as many
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [B, H, W, 2 C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [taps, 2 C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [2 C]

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

struct Halves { a: mat4x4<f32>, g: mat4x4<f32>, }   // a column per pixel

fn halves(s: Strip) -> Halves {
  let half = params.channels / 4u;
  let step = 2u * half;
  let line = params.width * step;
  let a = bias[s.c4];
  let g = bias[half + s.c4];
  var h = Halves(mat4x4(a, a, a, a), mat4x4(g, g, g, g));
  let first = max(s.row, 1u) - 1u;
  let end = min(s.row + 2u, params.height);
  var at = s.pixel * step + s.c4 - (s.row - first) * line;
  var tap = (first + 1u - s.row) * 3u * step + s.c4;
  for (var row = first; row < end; row++) {
    let in_a = seen(s, at, tap, step);
    let in_g = seen(s, at + half, tap + half, step);
    h.a = add_taps(h.a, in_a);
    h.g = add_taps(h.g, in_g);
    at += line;
    tap += 3u * step;
  }
  return h;
}
