// y = epilogue(x W + bias), W stored as [K, N8] with N8 = N rounded up to a multiple of 8.
// One lane computes ROWS = 8 rows by 8 columns; the activations are loaded by an index that is the
// same for all lanes of a workgroup, so a row of x is read once for WG * 8 columns.

override WG: u32 = 8u;
override F16: bool = false;       // weights are half floats, two to a word
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
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [K, N8]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N8]
@group(0) @binding(4) var<storage, read> gate: array<vec4<f32>>;    // [R, gate_stride]
@group(0) @binding(5) var<storage, read> frames: array<vec4<u32>>;  // .x = row of the table
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>; // [M, N4]

struct Octet { lo: vec4<f32>, hi: vec4<f32>, }

fn weights(i: u32) -> Octet {
  if (F16) {
    let p = w[i];
    return Octet(
      vec4(unpack2x16float(p.x), unpack2x16float(p.y)),
      vec4(unpack2x16float(p.z), unpack2x16float(p.w)),
    );
  }
  return Octet(bitcast<vec4<f32>>(w[2u * i]), bitcast<vec4<f32>>(w[2u * i + 1u]));
}

fn activation(row: u32, k4: u32) -> vec4<f32> {
  return x[min(row, params.m - 1u) * (params.k / 4u) + k4];
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
  if (row >= params.m || column4 * 4u >= params.n) { return; }
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

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let octets = (params.n + 7u) / 8u;
  let column = group.x * WG + lane;
  if (column >= octets) { return; }
  let row = group.y * 8u;
  var a0 = vec4(0.0); var a1 = vec4(0.0); var a2 = vec4(0.0); var a3 = vec4(0.0);
  var a4 = vec4(0.0); var a5 = vec4(0.0); var a6 = vec4(0.0); var a7 = vec4(0.0);
  var b0 = vec4(0.0); var b1 = vec4(0.0); var b2 = vec4(0.0); var b3 = vec4(0.0);
  var b4 = vec4(0.0); var b5 = vec4(0.0); var b6 = vec4(0.0); var b7 = vec4(0.0);
  for (var k4 = 0u; k4 < params.k / 4u; k4++) {
    let i = k4 * 4u * octets + column;
    let w0 = weights(i);
    let w1 = weights(i + octets);
    let w2 = weights(i + 2u * octets);
    let w3 = weights(i + 3u * octets);
    let lo = mat4x4(w0.lo, w1.lo, w2.lo, w3.lo);
    let hi = mat4x4(w0.hi, w1.hi, w2.hi, w3.hi);
    let x0 = activation(row, k4);      a0 += lo * x0; b0 += hi * x0;
    let x1 = activation(row + 1u, k4); a1 += lo * x1; b1 += hi * x1;
    let x2 = activation(row + 2u, k4); a2 += lo * x2; b2 += hi * x2;
    let x3 = activation(row + 3u, k4); a3 += lo * x3; b3 += hi * x3;
    let x4 = activation(row + 4u, k4); a4 += lo * x4; b4 += hi * x4;
    let x5 = activation(row + 5u, k4); a5 += lo * x5; b5 += hi * x5;
    let x6 = activation(row + 6u, k4); a6 += lo * x6; b6 += hi * x6;
    let x7 = activation(row + 7u, k4); a7 += lo * x7; b7 += hi * x7;
  }
  let c = column * 2u;
  store(row, c, a0); store(row + 1u, c, a1); store(row + 2u, c, a2); store(row + 3u, c, a3);
  store(row + 4u, c, a4); store(row + 5u, c, a5); store(row + 6u, c, a6); store(row + 7u, c, a7);
  let d = c + 1u;
  store(row, d, b0); store(row + 1u, d, b1); store(row + 2u, d, b2); store(row + 3u, d, b3);
  store(row + 4u, d, b4); store(row + 5u, d, b5); store(row + 6u, d, b6); store(row + 7u, d, b7);
}
