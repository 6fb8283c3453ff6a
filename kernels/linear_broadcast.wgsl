// The CPU form of `linear`: y = epilogue(x W + bias), one subgroup of eight lanes a workgroup.
// Software adapters load and store lane by lane, even where all lanes want the same number; so each
// number is loaded by one lane only and the others get it by broadcast. A lane computes ROWS rows
// by four columns: it loads its columns' weights and its row of each eight rows of x.

override ROWS: u32 = 64u;         // rows a workgroup: 8, 16, 32 or 64

// Sums on their way to y: a loop over them keeps the code, and the time to compile it, small.
var<workgroup> sums: array<vec4<f32>, ROWS * 8u>;

fn activation(row: u32, k4: u32) -> vec4<f32> {
  return x[min(row, params.m - 1u) * (params.k / 4u) + k4];
}

fn low(x: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(
    subgroupBroadcast(x, 0u), subgroupBroadcast(x, 1u),
    subgroupBroadcast(x, 2u), subgroupBroadcast(x, 3u),
  );
}

fn high(x: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(
    subgroupBroadcast(x, 4u), subgroupBroadcast(x, 5u),
    subgroupBroadcast(x, 6u), subgroupBroadcast(x, 7u),
  );
}

fn keep(i: u32, a: mat4x4<f32>) {
  sums[i] = a[0]; sums[i + 8u] = a[1]; sums[i + 16u] = a[2]; sums[i + 24u] = a[3];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROWS;
  let r = row + lane;
  let column4 = group.x * 8u + lane;
  let step = select(32u, 16u, F16);
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var a4 = mat4x4<f32>(); var a5 = mat4x4<f32>(); var a6 = mat4x4<f32>(); var a7 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var b4 = mat4x4<f32>(); var b5 = mat4x4<f32>(); var b6 = mat4x4<f32>(); var b7 = mat4x4<f32>();
  for (var k = 0u; k < params.k / 4u; k++) {
    let t = weights((group.x * params.k / 4u + k) * step + lane);
    let x0 = activation(r, k); a0 += t * low(x0); a1 += t * high(x0);
    if (ROWS > 8u) { let x1 = activation(r + 8u, k); a2 += t * low(x1); a3 += t * high(x1); }
    if (ROWS > 16u) {
      let x2 = activation(r + 16u, k); a4 += t * low(x2); a5 += t * high(x2);
      let x3 = activation(r + 24u, k); a6 += t * low(x3); a7 += t * high(x3);
    }
    if (ROWS > 32u) {
      let x4 = activation(r + 32u, k); b0 += t * low(x4); b1 += t * high(x4);
      let x5 = activation(r + 40u, k); b2 += t * low(x5); b3 += t * high(x5);
      let x6 = activation(r + 48u, k); b4 += t * low(x6); b5 += t * high(x6);
      let x7 = activation(r + 56u, k); b6 += t * low(x7); b7 += t * high(x7);
    }
  }
  keep(lane, a0); keep(lane + 32u, a1);
  if (ROWS > 8u) { keep(lane + 64u, a2); keep(lane + 96u, a3); }
  if (ROWS > 16u) {
    keep(lane + 128u, a4); keep(lane + 160u, a5); keep(lane + 192u, a6); keep(lane + 224u, a7);
  }
  if (ROWS > 32u) {
    keep(lane + 256u, b0); keep(lane + 288u, b1); keep(lane + 320u, b2); keep(lane + 352u, b3);
    keep(lane + 384u, b4); keep(lane + 416u, b5); keep(lane + 448u, b6); keep(lane + 480u, b7);
  }
  if (column4 * 4u >= params.n) { return; }
  let rows = min(ROWS, params.m - row);
  for (var i = 0u; i < rows; i++) { store(row + i, column4, sums[i * 8u + lane]); }
}
