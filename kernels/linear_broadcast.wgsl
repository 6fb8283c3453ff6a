// Joined after fragments: frame, weights, texel, broadcast, linear.
// The CPU form of `linear`: a subgroup of eight lanes computes ROWS rows by 32 columns, which keeps the
// loop's code within what a CPU caches of decoded instructions. A lane gathers the weights of its four
// columns, loads its row of each eight rows of x, and gets the others' by broadcast (see
// fragments/broadcast.wgsl).

override ROWS: u32 = 32u;   // 8, 16 or 32

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [M, K]
@group(0) @binding(2) var w: texture_storage_2d<rgba32uint, read>;  // [N / 32, K, 32]

// Staging for sums, so that a loop over them keeps the code and its compile time small.
var<workgroup> sums: array<vec4<f32>, ROWS * 8u>;

fn packed(i: u32) -> vec4<u32> { return textureLoad(w, texel(i)); }

fn put_sums(i: u32, a: mat4x4<f32>) {
  sums[i] = a[0]; sums[i + 8u] = a[1]; sums[i + 16u] = a[2]; sums[i + 24u] = a[3];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROWS;
  let column4 = group.x * 8u + lane;
  let step = select(32u, 16u, F16);       // texels for four k of a block of 32 columns
  let k4s = params.k / 4u;
  var i = group.x * k4s * step + lane;
  // rows beyond the last are the last again
  let at = min(vec4(row + lane) + vec4(0u, 8u, 16u, 24u), vec4(params.m - 1u)) * k4s;
  var s0 = mat4x4<f32>(); var s1 = mat4x4<f32>(); var s2 = mat4x4<f32>(); var s3 = mat4x4<f32>();
  var s4 = mat4x4<f32>(); var s5 = mat4x4<f32>(); var s6 = mat4x4<f32>(); var s7 = mat4x4<f32>();
  for (var k = 0u; k < k4s; k++) {
    let t = weights(i);
    i += step;
    let x0 = x[at.x + k];
    s0 += t * low(x0); s1 += t * high(x0);
    if (ROWS > 8u) {
      let x1 = x[at.y + k];
      s2 += t * low(x1); s3 += t * high(x1);
    }
    if (ROWS > 16u) {
      let x2 = x[at.z + k];
      s4 += t * low(x2); s5 += t * high(x2);
      let x3 = x[at.w + k];
      s6 += t * low(x3); s7 += t * high(x3);
    }
  }
  put_sums(lane, s0); put_sums(lane + 32u, s1);
  if (ROWS > 8u) { put_sums(lane + 64u, s2); put_sums(lane + 96u, s3); }
  if (ROWS > 16u) {
    put_sums(lane + 128u, s4); put_sums(lane + 160u, s5);
    put_sums(lane + 192u, s6); put_sums(lane + 224u, s7);
  }
  if (column4 * 4u >= params.n) { return; }
  var own_bias = vec4(0.0);
  if (params.biased > 0u) { own_bias = bias[column4]; }
  let rows = min(ROWS, params.m - row);
  for (var j = 0u; j < rows; j++) { finish(row + j, column4, sums[j * 8u + lane] + own_bias); }
}
