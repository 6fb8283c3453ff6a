// Joined after fragments: broadcast, matmul.
// C[M, N] = scale A B^T + bias for CPUs: a subgroup of eight lanes computes 16 rows by 64 columns.
// Both sides lie in images, as `pack_operand` arranges them. A lane gathers B for its eight columns,
// and of A a row of each eight rows; it gets the others by broadcast (see fragments/broadcast.wgsl).

@group(0) @binding(1) var a: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(2) var b: texture_storage_2d<rgba32uint, read>;

// Staging for sums, so that a loop over them keeps the code and its compile time small.
var<workgroup> sums: array<vec4<f32>, 256>;

fn a_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(a, texel(i))); }

fn b_at(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(textureLoad(b, texel(i))); }

// Four steps of the sum (columns) for four columns of C.
fn b_block(i: u32) -> mat4x4<f32> {
  return transpose(mat4x4(b_at(i), b_at(i + 1u), b_at(i + 2u), b_at(i + 3u)));
}

fn put_sums(i: u32, s: mat4x4<f32>, t: mat4x4<f32>) {
  sums[i] = s[0]; sums[i + 16u] = s[1]; sums[i + 32u] = s[2]; sums[i + 48u] = s[3];
  sums[i + 8u] = t[0]; sums[i + 24u] = t[1]; sums[i + 40u] = t[2]; sums[i + 56u] = t[3];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 16u;
  let block = (params.r + 3u) / 4u * 32u;   // vec4s of 32 rows of an operand
  var i = group.y / 2u * block + row % 32u + lane;
  var j = group.x * 2u * block + 4u * lane;
  let end = j + block;
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  for (; j < end; j += 32u) {
    let s = b_block(j);
    let t = b_block(j + block);
    let x = a_at(i);
    let z = a_at(i + 8u);
    let l0 = low(x); a0 += s * l0; b0 += t * l0;
    let h0 = high(x); a1 += s * h0; b1 += t * h0;
    let l1 = low(z); a2 += s * l1; b2 += t * l1;
    let h1 = high(z); a3 += s * h1; b3 += t * h1;
    i += 32u;
  }
  put_sums(lane, a0, b0); put_sums(lane + 64u, a1, b1);
  put_sums(lane + 128u, a2, b2); put_sums(lane + 192u, a3, b3);
  let column4 = group.x * 16u + lane;
  let halves_of_rows = 2u * min(16u, params.m - row);
  for (var h = 0u; h < halves_of_rows; h++) {
    let column = column4 + h % 2u * 8u;
    if (column * 4u < params.n) { write_out(row + h / 2u, column, sums[h * 8u + lane]); }
  }
}
