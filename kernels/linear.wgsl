// y = epilogue(x W + bias). A workgroup computes 32 rows by 32 columns with 64 lanes of 4 rows by 4
// columns; a tile of x goes through workgroup memory, weights come straight from memory, 128 bytes
// a k. Where the tiles alone leave a GPU idle, SLICES > 1 times 64 lanes share the k of a tile.

override SLICES: u32 = 1u;
override F16: bool = false;       // weights are half floats, two to a word
override OUTPUT: u32 = 0u;        // 0 as it is, 1 GELU (tanh), 2 SiLU
override RESIDUAL: u32 = 0u;      // 0 y = v, 1 y += v, 2 y += gate * v
override BIAS: bool = true;

const TILE_K4 = 4u;               // vec4s of a row of x in workgroup memory
const TILE = 32u * TILE_K4;       // and vec4s of the tile

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

// The slices' tiles of x; then, 256 vec4s, sums of one slice for another.
var<workgroup> shared_x: array<vec4<f32>, SLICES * TILE>;

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

// x outside the matrix is 0, so that what else is read there doesn't count.
fn activation(row: u32, k4: u32) -> vec4<f32> {
  let inside = row < params.m && k4 < params.k / 4u;
  return select(vec4(0.0), x[min(row, params.m - 1u) * (params.k / 4u) + k4], inside);
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

@compute @workgroup_size(64u * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let slice = index / 64u;
  let lane = index % 64u;
  let column = lane % 8u;
  let row = lane / 8u * 4u;
  let tile = slice * TILE;
  let k4s = params.k / 4u;
  let steps = (k4s + SLICES * TILE_K4 - 1u) / (SLICES * TILE_K4);
  var k = slice * steps * TILE_K4;
  var a = mat4x4<f32>();
  for (var step = 0u; step < steps; step++) {
    let place = vec2(group.y * 32u + lane / TILE_K4, k + lane % TILE_K4);
    shared_x[tile + lane] = activation(place.x, place.y);
    shared_x[tile + 64u + lane] = activation(place.x + 16u, place.y);
    workgroupBarrier();
    let own = tile + row * TILE_K4;
    for (var j = 0u; j < TILE_K4; j++) {
      let k4 = min(k + j, k4s - 1u);
      let t = weights((group.x * k4s + k4) * select(32u, 16u, F16) + column);
      a += t * mat4x4(
        shared_x[own + j], shared_x[own + TILE_K4 + j],
        shared_x[own + 2u * TILE_K4 + j], shared_x[own + 3u * TILE_K4 + j],
      );
    }
    workgroupBarrier();
    k += TILE_K4;
  }
  for (var other = SLICES - 1u; other > 0u; other--) {
    if (slice == other) {
      shared_x[lane] = a[0]; shared_x[lane + 64u] = a[1];
      shared_x[lane + 128u] = a[2]; shared_x[lane + 192u] = a[3];
    }
    workgroupBarrier();
    if (slice == 0u) {
      a += mat4x4(
        shared_x[lane], shared_x[lane + 64u], shared_x[lane + 128u], shared_x[lane + 192u],
      );
    }
    workgroupBarrier();
  }
  if (slice > 0u) { return; }
  let first = group.y * 32u + row;
  let column4 = group.x * 8u + column;
  store(first, column4, a[0]); store(first + 1u, column4, a[1]);
  store(first + 2u, column4, a[2]); store(first + 3u, column4, a[3]);
}
