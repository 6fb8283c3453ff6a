// The CPU form of `linear`: y = epilogue(x W + bias), one subgroup of eight lanes a workgroup.
// Software adapters load and store lane by lane, even where all lanes want the same number; so each
// number is loaded by one lane only and the others get it by broadcast. A lane computes ROWS rows
// by four columns: it loads its columns' weights and its row of each eight rows of x.

override F16: bool = false;       // weights are half floats, two to a word
override ROWS: u32 = 64u;         // rows a workgroup: 8, 16, 32 or 64
override OUTPUT: u32 = 0u;        // 0 as it is, 1 GELU (tanh), 2 SiLU
override RESIDUAL: u32 = 0u;      // 0 y = v, 1 y += v, 2 y += gate * v
override BIAS: bool = true;

struct Params {
  m: u32,             // rows of x and y
  k: u32,             // columns of x, a multiple of 4
  n: u32,             // columns of y
  tokens: u32,        // rows of x per frame, for the gate
  gate_stride: u32,   // floats per row of the modulation table
  gate_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [M, K]
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [N / 32, K, 32]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N8]
@group(0) @binding(4) var<storage, read> gate: array<vec4<f32>>;    // [R, gate_stride]
@group(0) @binding(5) var<storage, read> frames: array<vec4<u32>>;  // .x = row of the table
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>; // [M, N4]

// Sums on their way to y: a loop over them keeps the code, and the time to compile it, small.
var<workgroup> sums: array<vec4<f32>, ROWS * 8u>;

fn halves(p: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(p.x), unpack2x16float(p.y)); }

// Weights of four k (columns of the matrix) for the lane's four columns of y.
fn weights(i: u32) -> mat4x4<f32> {
  if (F16) {
    let a = w[i]; let b = w[i + 8u];
    return mat4x4(halves(a.xy), halves(a.zw), halves(b.xy), halves(b.zw));
  }
  let a = w[i]; let b = w[i + 8u]; let c = w[i + 16u]; let d = w[i + 24u];
  return mat4x4(
    bitcast<vec4<f32>>(a), bitcast<vec4<f32>>(b), bitcast<vec4<f32>>(c), bitcast<vec4<f32>>(d),
  );
}

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

fn finish(v: vec4<f32>) -> vec4<f32> {
  if (OUTPUT == 1u) {
    // tanh overflows to NaN on some drivers for large arguments
    let t = clamp(0.7978845608028654 * (v + 0.044715 * v * v * v), vec4(-20.0), vec4(20.0));
    return 0.5 * v * (1.0 + tanh(t));
  }
  if (OUTPUT == 2u) { return v / (1.0 + exp(-v)); }
  return v;
}

fn store(row: u32, column4: u32, sum: vec4<f32>) {
  var v = sum;
  if (BIAS) { v += bias[column4]; }
  v = finish(v);
  let i = row * ((params.n + 3u) / 4u) + column4;
  if (RESIDUAL == 2u) {
    let table = frames[row / params.tokens].x * params.gate_stride + params.gate_offset;
    v *= gate[table / 4u + column4];
  }
  if (RESIDUAL > 0u) { v += y[i]; }
  y[i] = v;
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
