// Joined after fragments: broadcast, matmul.
// C[M, N] = scale op(A) op(B) + bias for CPUs: a subgroup of eight lanes computes 32 rows by 64
// columns. Both sides lie in images, as `pack_operand` arranges them. A lane gathers op(B) for its
// eight columns and four rows of op(A), and gets the others by broadcast (fragments/broadcast.wgsl).

override TRANSPOSE_A: bool = false;   // A is [R, M], else [M, R]
override TRANSPOSE_B: bool = false;   // B is [N, R], else [R, N]

@group(0) @binding(1) var a: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(2) var b: texture_storage_2d<rgba32uint, read>;

// Staging for sums, so that a loop over them keeps the code and its compile time small.
var<workgroup> sums: array<vec4<f32>, 512>;

fn a_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(a, texel(i))); }

fn b_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(b, texel(i))); }

// Where a vec4 of columns 4 column4 to 4 column4 + 3 of a row lies in an image.
fn packed(row: u32, column4: u32, columns4: u32) -> u32 {
  return (row / 32u * columns4 + column4) * 32u + row % 32u;
}

// Four steps of the sum (columns) for four columns of C.
fn b_block(k4: u32, column4: u32) -> mat4x4<f32> {
  if (TRANSPOSE_B) {
    let i = packed(4u * column4, k4, (params.r + 3u) / 4u);
    return transpose(mat4x4(b_at(i), b_at(i + 1u), b_at(i + 2u), b_at(i + 3u)));
  }
  let i = packed(4u * k4, column4, params.n / 4u);
  return mat4x4(b_at(i), b_at(i + 1u), b_at(i + 2u), b_at(i + 3u));
}

// Four rows of op(A) with four steps each: rows lane, lane + 8 and so on, or 4 lane and the next.
fn a_rows(row: u32, k4: u32, lane: u32) -> mat4x4<f32> {
  if (TRANSPOSE_A) {
    let i = packed(4u * k4, row / 4u + lane, params.m / 4u);
    return transpose(mat4x4(a_at(i), a_at(i + 1u), a_at(i + 2u), a_at(i + 3u)));
  }
  let i = packed(row + lane, k4, (params.r + 3u) / 4u);
  return mat4x4(a_at(i), a_at(i + 8u), a_at(i + 16u), a_at(i + 24u));
}

// Stages four rows of both halves of the columns, the first of them `j`; see `a_rows`.
fn put_sums(lane: u32, j: u32, s: mat4x4<f32>, t: mat4x4<f32>) {
  var i = 128u * (j / 2u) + 64u * (j % 2u) + lane;
  var step = 16u;
  if (TRANSPOSE_A) {
    i = 16u * (j / 2u) + 256u * (j % 2u) + lane;
    step = 64u;
  }
  sums[i] = s[0]; sums[i + step] = s[1]; sums[i + 2u * step] = s[2]; sums[i + 3u * step] = s[3];
  i += 8u;
  sums[i] = t[0]; sums[i + step] = t[1]; sums[i + 2u * step] = t[2]; sums[i + 3u * step] = t[3];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 32u;
  let column4 = group.x * 16u + lane;
  let last = params.n / 4u - 1u;
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var a4 = mat4x4<f32>(); var a5 = mat4x4<f32>(); var a6 = mat4x4<f32>(); var a7 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var b4 = mat4x4<f32>(); var b5 = mat4x4<f32>(); var b6 = mat4x4<f32>(); var b7 = mat4x4<f32>();
  for (var k4 = 0u; k4 < (params.r + 3u) / 4u; k4++) {
    let s = b_block(k4, min(column4, last));
    let t = b_block(k4, min(column4 + 8u, last));
    let x = a_rows(row, k4, lane);
    let l0 = low(x[0]); a0 += s * l0; b0 += t * l0;
    let h0 = high(x[0]); a1 += s * h0; b1 += t * h0;
    let l1 = low(x[1]); a2 += s * l1; b2 += t * l1;
    let h1 = high(x[1]); a3 += s * h1; b3 += t * h1;
    let l2 = low(x[2]); a4 += s * l2; b4 += t * l2;
    let h2 = high(x[2]); a5 += s * h2; b5 += t * h2;
    let l3 = low(x[3]); a6 += s * l3; b6 += t * l3;
    let h3 = high(x[3]); a7 += s * h3; b7 += t * h3;
  }
  put_sums(lane, 0u, a0, b0); put_sums(lane, 1u, a1, b1); put_sums(lane, 2u, a2, b2); put_sums(lane, 3u, a3, b3);
  put_sums(lane, 4u, a4, b4); put_sums(lane, 5u, a5, b5); put_sums(lane, 6u, a6, b6); put_sums(lane, 7u, a7, b7);
  let halves_of_rows = 2u * min(32u, params.m - row);
  for (var h = 0u; h < halves_of_rows; h++) {
    let column = column4 + h % 2u * 8u;
    if (column <= last) { write_out(row + h / 2u, column, sums[h * 8u + lane]); }
  }
}
