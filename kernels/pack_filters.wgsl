// Joined after fragments: texel.
// Filters of a convolution, [N, K / taps, taps] in an image, into an image as `conv2d` reads them:
// [N / 32, K, 32] with k = tap * (K / taps) + channel. A lane reads along four rows n, whose next four
// numbers are four columns of packed.

override TAPS: u32 = 9u;

struct Params {
  n: u32,         // rows, a multiple of 4
  row: u32,       // vec4s of a row: K / 4
  first: u32,     // where x starts, in vec4s
  column: u32,    // first column of packed, in vec4s
  depth: u32,     // vec4s of a row that a lane reads
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var packed: texture_storage_2d<rgba32uint, write>;

// Four columns of what is the i-th number of a row.
fn put(i: u32, column4: u32, v: vec4<f32>) {
  let k = i % TAPS * (4u * params.row / TAPS) + i / TAPS;
  let at = (column4 / 8u * 4u * params.row + k) * 8u + column4 % 8u;
  textureStore(packed, texel(at), bitcast<vec4<u32>>(v));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n4 = group.x * 8u + lane;
  if (4u * n4 >= params.n) { return; }
  let start = params.first + 4u * n4 * params.row;
  let column4 = params.column + n4;
  let end = min((group.y + 1u) * params.depth, params.row);
  for (var j = group.y * params.depth; j < end; j++) {
    let at = start + j;
    let v = transpose(mat4x4(
      x[at], x[at + params.row], x[at + 2u * params.row], x[at + 3u * params.row],
    ));
    put(4u * j, column4, v[0]); put(4u * j + 1u, column4, v[1]);
    put(4u * j + 2u, column4, v[2]); put(4u * j + 3u, column4, v[3]);
  }
}
