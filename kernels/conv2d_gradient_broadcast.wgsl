// Joined after fragments: broadcast, product, conv2d_gradient.
// `conv2d_gradient` for CPUs: a subgroup of eight lanes computes 16 or 32 n by eight columns, four
// channels k of a tap each, four pixels of a row at a time. A lane gathers x for its column, and dy for
// four n that the others get by broadcast. Where a pixel's neighbour lies outside the image, or the row ends, x counts as zero.

override ROWS: u32 = 32u;      // 16 or 32

@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;   // [B, H, W, K]

// Where the walk through rows is: a row of all pictures, the same within its picture, and a column.
struct Walk { row: u32, own_row: u32, column: u32, }

// The next four pixels; a flat loop, since each end of an inner one would cost as much as a step.
fn step_on(w: Walk) -> Walk {
  let column = w.column + 4u;
  if (column < params.width) { return Walk(w.row, w.own_row, column); }
  return Walk(w.row + 1u, select(w.own_row + 1u, 0u, w.own_row + 1u == params.height), 0u);
}

// Four pixels of a row: where they and their neighbours are, and which count.
struct Pixels { own: vec4<u32>, other: vec4<u32>, weight: vec4<f32>, }

fn pixels(w: Walk, d: vec2<i32>) -> Pixels {
  let last = i32(params.width) - 1;
  let columns = i32(w.column) + vec4(0, 1, 2, 3);
  let others = columns + d.x;
  let other_row = i32(w.own_row) + d.y;
  let near = other_row >= 0 && other_row < i32(params.height);
  let inside = (columns <= vec4(last)) & (others >= vec4(0)) & (others <= vec4(last));
  let own = w.row * params.width + vec4<u32>(min(columns, vec4(last)));
  let from_row = u32(i32(w.row) + select(0, d.y, near)) * params.width;
  let other = from_row + vec4<u32>(clamp(others, vec4(0), vec4(last)));
  let weight = select(0.0, 1.0, near) * select(vec4(0.0), vec4(1.0), inside);
  return Pixels(params.first + own * params.stride, other * params.k4, weight);
}

// Rows n, n + 4, n + 8 and n + 12.
fn write_rows(place: vec3<u32>, n: u32, k4: u32, s: mat4x4<f32>) {
  write_out(place, n, k4, s[0]); write_out(place, n + 4u, k4, s[1]);
  write_out(place, n + 8u, k4, s[2]); write_out(place, n + 12u, k4, s[3]);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n4 = group.x * (ROWS / 4u);
  let column = group.y * 8u + lane;   // of all taps
  let tap = min(column / params.k4, u32(SIZE * SIZE) - 1u);
  let k4 = column - tap * params.k4;
  let from_n = min(n4 + lane, params.n4 - 1u);
  let from_k = min(k4, params.k4 - 1u);
  let d = vec2(i32(tap) % SIZE, i32(tap) / SIZE) - SIZE / 2;
  let end = min((group.z + 1u) * params.chunk, params.rows);
  var s0 = mat4x4<f32>(); var s1 = mat4x4<f32>(); var s2 = mat4x4<f32>(); var s3 = mat4x4<f32>();
  var s4 = mat4x4<f32>(); var s5 = mat4x4<f32>(); var s6 = mat4x4<f32>(); var s7 = mat4x4<f32>();
  let row = group.z * params.chunk;
  var walk = Walk(row, row % params.height, 0u);
  let steps = (max(end, row) - row) * ((params.width + 3u) / 4u);
  for (var step = 0u; step < steps; step++) {
    let p = pixels(walk, d);
    let t = mat4x4(
      x[p.other.x + from_k] * p.weight.x, x[p.other.y + from_k] * p.weight.y,
      x[p.other.z + from_k] * p.weight.z, x[p.other.w + from_k] * p.weight.w,
    );
    let g = transpose(mat4x4(
      dy[p.own.x + from_n], dy[p.own.y + from_n], dy[p.own.z + from_n], dy[p.own.w + from_n],
    ));
    s0 = add_product(s0, t, low(g[0])); s1 = add_product(s1, t, low(g[1]));
    s2 = add_product(s2, t, low(g[2])); s3 = add_product(s3, t, low(g[3]));
    if (ROWS > 16u) {
      s4 = add_product(s4, t, high(g[0])); s5 = add_product(s5, t, high(g[1]));
      s6 = add_product(s6, t, high(g[2])); s7 = add_product(s7, t, high(g[3]));
    }
    walk = step_on(walk);
  }
  let place = vec3(0u, tap, group.z);
  let n = 4u * n4;
  write_rows(place, n, k4, s0); write_rows(place, n + 1u, k4, s1);
  write_rows(place, n + 2u, k4, s2); write_rows(place, n + 3u, k4, s3);
  if (ROWS > 16u) {
    write_rows(place, n + 16u, k4, s4); write_rows(place, n + 17u, k4, s5);
    write_rows(place, n + 18u, k4, s6); write_rows(place, n + 19u, k4, s7);
  }
}
