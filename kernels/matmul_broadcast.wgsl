// Joined after fragments: texel, broadcast, product, matmul.
// C[M, N] = scale op(A) op(B) + bias for CPUs: a subgroup of eight lanes computes 32 rows by 32
// columns, which keeps the loop's code within what a CPU caches of decoded instructions. A and B lie in
// images, row after row or packed (`pack_rows`, `pack_columns`), so that a step reads 512 bytes in a
// row of each: rows of 12 kB would all want the same few lines of a cache. A lane gathers op(B) for its
// four columns and four rows of op(A), and gets the others by broadcast (fragments/broadcast.wgsl).

override TRANSPOSE_A: bool = false;   // A is [R, M], else [M, R]
override TRANSPOSE_B: bool = false;   // B is [N, R], else [R, N]; packed only
override PACKED_A: bool = false;      // by columns if transposed, else by rows
override PACKED_B: bool = false;
override COLUMNS_B: bool = false;     // by columns: not transposed only
override ALIGNED: bool = false;       // R is a multiple of 4

@group(0) @binding(1) var a: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(2) var b: texture_storage_2d<rgba32uint, read>;

fn a_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(a, texel(i))); }

fn b_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(b, texel(i))); }

// Where a lane's part of an operand lies, in vec4s. The loop gets it in registers: of a parameter that
// is read in a loop each lane gathers its own copy.
struct APlace { first: vec4<u32>, stride: u32, last: u32, }
struct BPlace { first: u32, stride: u32, last: u32, }

fn a_place(row: u32, lane: u32) -> APlace {
  let last = params.r - 1u;
  let end = params.m - 1u;
  if (PACKED_A && TRANSPOSE_A) { return APlace(vec4(row / 32u * params.r * 8u + lane), 8u, last); }
  if (PACKED_A) {
    let start = row * (params.r / 4u) + lane;
    return APlace(vec4(start) + vec4(0u, 8u, 16u, 24u), 32u, last);
  }
  if (TRANSPOSE_A) {
    let column4 = params.a_first + min(row / 4u + lane, end / 4u);
    return APlace(vec4(column4), params.a_stride, last);
  }
  // rows beyond the last are the last again
  let rows = min(vec4(row + lane) + vec4(0u, 8u, 16u, 24u), vec4(end));
  return APlace(vec4(params.a_first) + rows * params.a_stride, 1u, last);
}

fn b_place(column4: u32) -> BPlace {
  let last = params.r - 1u;
  if (COLUMNS_B) { return BPlace(column4 / 8u * params.r * 8u + column4 % 8u, 8u, last); }
  if (!PACKED_B) { return BPlace(params.b_first + column4, params.b_stride, last); }
  if (TRANSPOSE_B) {
    return BPlace(column4 / 8u * (params.r / 4u) * 32u + column4 % 8u * 4u, 32u, last);
  }
  return BPlace(column4 * 32u, params.n / 4u * 32u, last);
}

// Of a step that is summed over; steps beyond the last do not count.
fn a_step(p: APlace, step: u32) -> vec4<f32> {
  if (ALIGNED) { return a_at(p.first.x + step * p.stride); }
  let v = a_at(p.first.x + min(step, p.last) * p.stride);
  return select(vec4(0.0), v, step <= p.last);
}

// Four rows of op(A) with four steps each: rows lane, lane + 8 and so on, or 4 lane and the next.
fn a_rows(p: APlace, k4: u32) -> mat4x4<f32> {
  if (TRANSPOSE_A) {
    let k = 4u * k4;
    return transpose(mat4x4(a_step(p, k), a_step(p, k + 1u), a_step(p, k + 2u), a_step(p, k + 3u)));
  }
  let k = k4 * p.stride;
  return mat4x4(
    a_at(p.first.x + k), a_at(p.first.y + k), a_at(p.first.z + k), a_at(p.first.w + k),
  );
}

fn b_step(p: BPlace, step: u32) -> vec4<f32> {
  if (ALIGNED) { return b_at(p.first + step * p.stride); }
  return b_at(p.first + min(step, p.last) * p.stride);
}

// Four steps of the sum (columns) for four columns of C.
fn b_block(p: BPlace, k4: u32) -> mat4x4<f32> {
  if (COLUMNS_B || !PACKED_B) {
    let k = 4u * k4;
    return mat4x4(b_step(p, k), b_step(p, k + 1u), b_step(p, k + 2u), b_step(p, k + 3u));
  }
  if (TRANSPOSE_B) {
    let i = p.first + k4 * p.stride;
    return transpose(mat4x4(b_at(i), b_at(i + 1u), b_at(i + 2u), b_at(i + 3u)));
  }
  let i = p.first + k4 / 8u * p.stride + k4 % 8u * 4u;
  return mat4x4(b_at(i), b_at(i + 1u), b_at(i + 2u), b_at(i + 3u));
}

fn put(row: u32, column4: u32, sum: vec4<f32>, own_bias: vec4<f32>) {
  if (row < params.m) { write_out(row, column4, sum, own_bias); }
}

// Four rows: consecutive ones, or every fourth; see `a_rows`.
fn put_rows(row: u32, column4: u32, s: mat4x4<f32>, own_bias: vec4<f32>) {
  let step = select(1u, 4u, TRANSPOSE_A);
  put(row, column4, s[0], own_bias);
  put(row + step, column4, s[1], own_bias);
  put(row + 2u * step, column4, s[2], own_bias);
  put(row + 3u * step, column4, s[3], own_bias);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 32u;
  let column4 = group.x * 8u + lane;
  let own_column4 = min(column4, params.n / 4u - 1u);
  let of_a = a_place(row, lane);
  let of_b = b_place(own_column4);
  let steps4 = (params.r + 3u) / 4u;
  var s0 = mat4x4<f32>(); var s1 = mat4x4<f32>(); var s2 = mat4x4<f32>(); var s3 = mat4x4<f32>();
  var s4 = mat4x4<f32>(); var s5 = mat4x4<f32>(); var s6 = mat4x4<f32>(); var s7 = mat4x4<f32>();
  for (var k4 = 0u; k4 < steps4; k4++) {
    let w = b_block(of_b, k4);
    let x = a_rows(of_a, k4);
    s0 = add_product(s0, w, low(x[0])); s1 = add_product(s1, w, high(x[0]));
    s2 = add_product(s2, w, low(x[1])); s3 = add_product(s3, w, high(x[1]));
    s4 = add_product(s4, w, low(x[2])); s5 = add_product(s5, w, high(x[2]));
    s6 = add_product(s6, w, low(x[3])); s7 = add_product(s7, w, high(x[3]));
  }
  if (column4 > own_column4) { return; }
  let own_bias = bias_of(column4);
  let next = select(8u, 1u, TRANSPOSE_A);
  let half = select(4u, 16u, TRANSPOSE_A);
  put_rows(row, column4, s0, own_bias); put_rows(row + half, column4, s1, own_bias);
  put_rows(row + next, column4, s2, own_bias); put_rows(row + next + half, column4, s3, own_bias);
  put_rows(row + 2u * next, column4, s4, own_bias); put_rows(row + 2u * next + half, column4, s5, own_bias);
  put_rows(row + 3u * next, column4, s6, own_bias); put_rows(row + 3u * next + half, column4, s7, own_bias);
}
