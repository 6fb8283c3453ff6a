// Joined after fragments: frame, weights, texel, broadcast, linear.
// The CPU form of `linear`: a subgroup of eight lanes computes ROWS rows by 64 columns. A lane
// gathers the weights of its eight columns, loads its row of each eight rows of x, and gets the
// others' by broadcast (see fragments/broadcast.wgsl).

override ROWS: u32 = 32u;   // 8, 16 or 32

@group(0) @binding(2) var w: texture_storage_2d<rgba32uint, read>;  // [N / 32, K, 32]

// Staging for sums, so that a loop over them keeps the code and its compile time small.
var<workgroup> sums: array<vec4<f32>, ROWS * 16u>;

fn packed(i: u32) -> vec4<u32> { return textureLoad(w, texel(i)); }

fn activation(row: u32, k4: u32) -> vec4<f32> {
  return x[min(row, params.m - 1u) * (params.k / 4u) + k4];
}

fn put_sums(i: u32, a: mat4x4<f32>, b: mat4x4<f32>) {
  sums[i] = a[0]; sums[i + 16u] = a[1]; sums[i + 32u] = a[2]; sums[i + 48u] = a[3];
  sums[i + 8u] = b[0]; sums[i + 24u] = b[1]; sums[i + 40u] = b[2]; sums[i + 56u] = b[3];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROWS;
  let r = row + lane;
  let column4 = group.x * 16u + lane;
  let step = select(32u, 16u, F16);       // texels for four k of a block of 32 columns
  let block = params.k / 4u * step;       // texels for all k
  var i = group.x * 2u * block + lane;
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var a4 = mat4x4<f32>(); var a5 = mat4x4<f32>(); var a6 = mat4x4<f32>(); var a7 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var b4 = mat4x4<f32>(); var b5 = mat4x4<f32>(); var b6 = mat4x4<f32>(); var b7 = mat4x4<f32>();
  for (var k = 0u; k < params.k / 4u; k++) {
    let s = weights(i);
    let t = weights(i + block);
    i += step;
    let x0 = activation(r, k);
    let l0 = low(x0); a0 += s * l0; b0 += t * l0;
    let h0 = high(x0); a1 += s * h0; b1 += t * h0;
    if (ROWS > 8u) {
      let x1 = activation(r + 8u, k);
      let l1 = low(x1); a2 += s * l1; b2 += t * l1;
      let h1 = high(x1); a3 += s * h1; b3 += t * h1;
    }
    if (ROWS > 16u) {
      let x2 = activation(r + 16u, k);
      let l2 = low(x2); a4 += s * l2; b4 += t * l2;
      let h2 = high(x2); a5 += s * h2; b5 += t * h2;
      let x3 = activation(r + 24u, k);
      let l3 = low(x3); a6 += s * l3; b6 += t * l3;
      let h3 = high(x3); a7 += s * h3; b7 += t * h3;
    }
  }
  put_sums(lane, a0, b0); put_sums(lane + 64u, a1, b1);
  if (ROWS > 8u) { put_sums(lane + 128u, a2, b2); put_sums(lane + 192u, a3, b3); }
  if (ROWS > 16u) {
    put_sums(lane + 256u, a4, b4); put_sums(lane + 320u, a5, b5);
    put_sums(lane + 384u, a6, b6); put_sums(lane + 448u, a7, b7);
  }
  let halves_of_rows = 2u * min(ROWS, params.m - row);
  for (var j = 0u; j < halves_of_rows; j++) {
    let column = column4 + j % 2u * 8u;
    if (column * 4u < params.n) { write_out(row + j / 2u, column, sums[j * 8u + lane]); }
  }
}
