// Joined after fragments: matmul.
// C[M, N] = scale op(A) op(B) + bias for CPUs: a subgroup of eight lanes computes ROWS rows by 64 columns. A lane
// gathers B for its eight columns and a part of A that the others get by broadcast.
// All matrices are row-major; vec4s are transposed in registers, which costs nothing.

override ROWS: u32 = 32u;             // 8, 16 or 32

@group(0) @binding(2) var b: texture_storage_2d<rgba32uint, read>;

// Sums on their way to C: a loop over them keeps the code, and the time to compile it, small.
var<workgroup> sums: array<vec4<f32>, ROWS * 16u>;

fn b_at(i: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(textureLoad(b, vec2(i % 1024u, i / 1024u)));
}

// Four steps of the sum (columns) for four columns of C.
fn b_block(k: u32, column4: u32) -> mat4x4<f32> {
  if (TRANSPOSE_B) {
    let first = params.b_first + k / 4u;
    let row = min(column4, params.n / 4u - 1u) * 4u * params.b_stride;
    return transpose(mat4x4(
      b_at(first + row), b_at(first + row + params.b_stride),
      b_at(first + row + 2u * params.b_stride), b_at(first + row + 3u * params.b_stride),
    ));
  }
  let first = params.b_first + min(column4, params.n / 4u - 1u);
  let last = params.r - 1u;
  return mat4x4(
    b_at(first + k * params.b_stride), b_at(first + min(k + 1u, last) * params.b_stride),
    b_at(first + min(k + 2u, last) * params.b_stride),
    b_at(first + min(k + 3u, last) * params.b_stride),
  );
}

// This lane's part of eight rows of A by four steps.
fn a_part(row: u32, k: u32, lane: u32) -> vec4<f32> {
  if (TRANSPOSE_A) {
    let step = k + lane % 4u;
    let row4 = min(row / 4u + lane / 4u, (params.m - 1u) / 4u);
    let v = a[params.a_first + min(step, params.r - 1u) * params.a_stride + row4];
    return select(vec4(0.0), v, step < params.r);
  }
  return a[params.a_first + min(row + lane, params.m - 1u) * params.a_stride + k / 4u];
}

// Rows as columns, four steps each.
fn arranged(m: mat4x4<f32>) -> mat4x4<f32> {
  if (TRANSPOSE_A) { return transpose(m); }
  return m;
}

fn low(x: vec4<f32>) -> mat4x4<f32> {
  return arranged(mat4x4(
    subgroupBroadcast(x, 0u), subgroupBroadcast(x, 1u),
    subgroupBroadcast(x, 2u), subgroupBroadcast(x, 3u),
  ));
}

fn high(x: vec4<f32>) -> mat4x4<f32> {
  return arranged(mat4x4(
    subgroupBroadcast(x, 4u), subgroupBroadcast(x, 5u),
    subgroupBroadcast(x, 6u), subgroupBroadcast(x, 7u),
  ));
}

fn keep(i: u32, s: mat4x4<f32>, t: mat4x4<f32>) {
  sums[i] = s[0]; sums[i + 16u] = s[1]; sums[i + 32u] = s[2]; sums[i + 48u] = s[3];
  sums[i + 8u] = t[0]; sums[i + 24u] = t[1]; sums[i + 40u] = t[2]; sums[i + 56u] = t[3];
}

fn store(row: u32, column4: u32, sum: vec4<f32>) {
  let i = params.c_first + row * params.c_stride + column4;
  var v = params.scale * sum;
  if (params.biased > 0u) { v += bias[params.bias_first + column4]; }
  if (params.add > 0u) { v += c[i]; }
  c[i] = v;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROWS;
  let column4 = group.x * 16u + lane;
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var a4 = mat4x4<f32>(); var a5 = mat4x4<f32>(); var a6 = mat4x4<f32>(); var a7 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var b4 = mat4x4<f32>(); var b5 = mat4x4<f32>(); var b6 = mat4x4<f32>(); var b7 = mat4x4<f32>();
  for (var k = 0u; k < params.r; k += 4u) {
    let s = b_block(k, column4);
    let t = b_block(k, column4 + 8u);
    let x0 = a_part(row, k, lane);
    let l0 = low(x0); a0 += s * l0; b0 += t * l0;
    let h0 = high(x0); a1 += s * h0; b1 += t * h0;
    if (ROWS > 8u) {
      let x1 = a_part(row + 8u, k, lane);
      let l1 = low(x1); a2 += s * l1; b2 += t * l1;
      let h1 = high(x1); a3 += s * h1; b3 += t * h1;
    }
    if (ROWS > 16u) {
      let x2 = a_part(row + 16u, k, lane);
      let l2 = low(x2); a4 += s * l2; b4 += t * l2;
      let h2 = high(x2); a5 += s * h2; b5 += t * h2;
      let x3 = a_part(row + 24u, k, lane);
      let l3 = low(x3); a6 += s * l3; b6 += t * l3;
      let h3 = high(x3); a7 += s * h3; b7 += t * h3;
    }
  }
  keep(lane, a0, b0); keep(lane + 64u, a1, b1);
  if (ROWS > 8u) { keep(lane + 128u, a2, b2); keep(lane + 192u, a3, b3); }
  if (ROWS > 16u) {
    keep(lane + 256u, a4, b4); keep(lane + 320u, a5, b5);
    keep(lane + 384u, a6, b6); keep(lane + 448u, a7, b7);
  }
  let halves_of_rows = 2u * min(ROWS, params.m - row);
  for (var j = 0u; j < halves_of_rows; j++) {
    let column = column4 + j % 2u * 8u;
    if (column * 4u < params.n) { store(row + j / 2u, column, sums[j * 8u + lane]); }
  }
}
