// Joined after fragments: frame, weights, texel, broadcast, product, linear.
// The CPU form of `linear`: a subgroup of eight lanes computes ROWS rows by 32 columns, which keeps the
// loop's code within what a CPU caches of decoded instructions. A lane gathers the weights of its four
// columns, loads its row of each eight rows of x, and gets the others' by broadcast (see
// fragments/broadcast.wgsl).

override ROWS: u32 = 32u;   // 8, 16 or 32

@group(0) @binding(2) var w: texture_storage_2d<rgba32uint, read>;  // [N / 32, K, 32]

fn packed(i: u32) -> vec4<u32> { return textureLoad(w, texel(i)); }

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
    s0 = add_product(s0, t, low(x0)); s1 = add_product(s1, t, high(x0));
    if (ROWS > 8u) {
      let x1 = x[at.y + k];
      s2 = add_product(s2, t, low(x1)); s3 = add_product(s3, t, high(x1));
    }
    if (ROWS > 16u) {
      let x2 = x[at.z + k];
      s4 = add_product(s4, t, low(x2)); s5 = add_product(s5, t, high(x2));
      let x3 = x[at.w + k];
      s6 = add_product(s6, t, low(x3)); s7 = add_product(s7, t, high(x3));
    }
  }
  if (column4 * 4u >= params.n) { return; }
  var own_bias = vec4(0.0);
  if (params.biased > 0u) { own_bias = bias[column4]; }
  // a loop over sums keeps the code and its compile time small
  var all = array<mat4x4<f32>, 8>(s0, s1, s2, s3, s4, s5, s6, s7);
  let rows = min(ROWS, params.m - row);
  for (var j = 0u; j < rows; j++) { finish(row + j, column4, all[j / 4u][j % 4u] + own_bias); }
}
