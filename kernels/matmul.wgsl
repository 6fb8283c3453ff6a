// Joined after fragments: matmul.
// C[M, N] = scale op(A) op(B) + bias for GPUs: a workgroup of 256 lanes computes a tile of 64 by 64,
// a lane 4 by 4 of it. All matrices are row-major; blocks of 4 by 4 are turned in registers.

override TRANSPOSE_A: bool = false;   // A is [R, M], else [M, R]
override TRANSPOSE_B: bool = false;   // B is [N, R], else [R, N]

const DEPTH = 16u;                    // steps of the sum in workgroup memory

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

var<workgroup> a_tile: array<vec4<f32>, 256>;   // [DEPTH, 16]: four rows of a step
var<workgroup> b_tile: array<vec4<f32>, 256>;   // [DEPTH, 16]: four columns of a step

fn a_at(i: u32, step: u32) -> vec4<f32> {
  return select(vec4(0.0), a[params.a_first + i], step < params.r);
}

fn b_at(i: u32, step: u32) -> vec4<f32> {
  return select(vec4(0.0), b[params.b_first + i], step < params.r);
}

// Four steps (columns) of four rows of op(A).
fn a_block(row: u32, k: u32) -> mat4x4<f32> {
  let last = params.r - 1u;
  if (TRANSPOSE_A) {
    let at = min(row, params.m - 1u) / 4u;
    return mat4x4(
      a_at(min(k, last) * params.a_stride + at, k),
      a_at(min(k + 1u, last) * params.a_stride + at, k + 1u),
      a_at(min(k + 2u, last) * params.a_stride + at, k + 2u),
      a_at(min(k + 3u, last) * params.a_stride + at, k + 3u),
    );
  }
  let end = params.m - 1u;
  let at = min(k, last) / 4u;
  return transpose(mat4x4(
    a_at(min(row, end) * params.a_stride + at, k),
    a_at(min(row + 1u, end) * params.a_stride + at, k),
    a_at(min(row + 2u, end) * params.a_stride + at, k),
    a_at(min(row + 3u, end) * params.a_stride + at, k),
  ));
}

// Four steps (columns) of four columns of op(B).
fn b_block(column: u32, k: u32) -> mat4x4<f32> {
  let last = params.r - 1u;
  if (TRANSPOSE_B) {
    let end = params.n - 1u;
    let at = min(k, last) / 4u;
    return transpose(mat4x4(
      b_at(min(column, end) * params.b_stride + at, k),
      b_at(min(column + 1u, end) * params.b_stride + at, k),
      b_at(min(column + 2u, end) * params.b_stride + at, k),
      b_at(min(column + 3u, end) * params.b_stride + at, k),
    ));
  }
  let at = min(column, params.n - 1u) / 4u;
  return mat4x4(
    b_at(min(k, last) * params.b_stride + at, k),
    b_at(min(k + 1u, last) * params.b_stride + at, k + 1u),
    b_at(min(k + 2u, last) * params.b_stride + at, k + 2u),
    b_at(min(k + 3u, last) * params.b_stride + at, k + 3u),
  );
}

// Lanes 0 to 63 load one block of A each, lanes 64 to 127 one of B.
fn load_tiles(group: vec3<u32>, k: u32, index: u32) {
  let row4 = index % 16u;
  let step = index % 64u / 16u * 4u;
  if (index < 64u) {
    let block = a_block(group.y * 64u + row4 * 4u, k + step);
    for (var j = 0u; j < 4u; j++) { a_tile[(step + j) * 16u + row4] = block[j]; }
  } else if (index < 128u) {
    let block = b_block(group.x * 64u + row4 * 4u, k + step);
    for (var j = 0u; j < 4u; j++) { b_tile[(step + j) * 16u + row4] = block[j]; }
  }
}

fn write_inside(row: u32, column4: u32, sum: vec4<f32>) {
  if (row < params.m && column4 * 4u < params.n) {
    write_out(row, column4, sum, bias_of(column4));
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let column4 = index % 16u;
  let row4 = index / 16u;
  var s0 = vec4(0.0); var s1 = vec4(0.0); var s2 = vec4(0.0); var s3 = vec4(0.0);
  for (var k = 0u; k < params.r; k += DEPTH) {
    load_tiles(group, k, index);
    workgroupBarrier();
    for (var j = 0u; j < DEPTH; j++) {
      let x = a_tile[j * 16u + row4];
      let y = b_tile[j * 16u + column4];
      s0 += x.x * y; s1 += x.y * y; s2 += x.z * y; s3 += x.w * y;
    }
    workgroupBarrier();
  }
  let row = group.y * 64u + row4 * 4u;
  let column = group.x * 16u + column4;
  write_inside(row, column, s0); write_inside(row + 1u, column, s1);
  write_inside(row + 2u, column, s2); write_inside(row + 3u, column, s3);
}
