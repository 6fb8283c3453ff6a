// Joined after fragments: conv2d_gradient.
// `conv2d_gradient` for GPUs: a workgroup of 256 lanes computes 64 n by 64 k of a tap, a lane 4 by 4
// of it; sixteen pixels at a time lie in workgroup memory.

const DEPTH = 16u;

@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;   // [B, H, W, K]

var<workgroup> n_tile: array<vec4<f32>, 256>;   // [DEPTH, 16]
var<workgroup> k_tile: array<vec4<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n4 = group.x % params.tiles * 16u;
  let k4 = group.x / params.tiles * 16u;
  let size = vec2<i32>(vec2(params.width, params.height));
  let d = vec2(i32(group.y) % SIZE, i32(group.y) / SIZE) - SIZE / 2;
  let start = group.z * params.chunk * params.width;
  let end = min((group.z + 1u) * params.chunk, params.rows) * params.width;
  let own = lane / 16u;
  let column = lane % 16u;
  var sum = mat4x4<f32>();
  for (var pixel = start; pixel < end; pixel += DEPTH) {
    let at = pixel + own;
    let i = i32(at);
    let place = vec2(i % size.x, i / size.x % size.y) + d;
    let inside = all((place >= vec2(0)) & (place < size)) && at < end;
    let other = u32(i + d.y * size.x + d.x) * params.k4 + k4 + column;
    let dy_at = params.first + at * params.stride + n4 + column;
    let has_n = inside && n4 + column < params.n4;
    let has_k = inside && k4 + column < params.k4;
    n_tile[lane] = select(vec4(0.0), dy[select(0u, dy_at, has_n)], has_n);
    k_tile[lane] = select(vec4(0.0), x[select(0u, other, has_k)], has_k);
    workgroupBarrier();
    for (var step = 0u; step < DEPTH; step++) {
      sum += outer(k_tile[step * 16u + column], n_tile[step * 16u + own]);
    }
    workgroupBarrier();
  }
  for (var j = 0u; j < 4u; j++) { write_out(group, 4u * (n4 + own) + j, k4 + column, sum[j]); }
}
