// Joined after fragments: conv2d_gradient.
// `conv2d_gradient` for CPUs: a subgroup of eight lanes computes ROWS n by 32 or 64 k of a tap. A lane
// gathers x for its channels, and a part of dy that the others get by broadcast. Pixels whose
// neighbour lies outside the image are left out of the loops, so that nothing is masked.

override ROWS: u32 = 32u;      // 8, 16 or 32
override WIDE: bool = true;    // 64 k, else 32

@group(0) @binding(2) var x: texture_storage_2d<rgba32uint, read>;   // [B, H, W, K]

// Staging for sums, so that a loop over them keeps the code and its compile time small.
var<workgroup> sums: array<vec4<f32>, ROWS * 16u>;

fn x_at(i: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(textureLoad(x, vec2(i % 1024u, i / 1024u)));
}

fn put_sums(i: u32, s: mat4x4<f32>, t: mat4x4<f32>) {
  sums[i] = s[0]; sums[i + 16u] = s[1]; sums[i + 32u] = s[2]; sums[i + 48u] = s[3];
  sums[i + 8u] = t[0]; sums[i + 24u] = t[1]; sums[i + 40u] = t[2]; sums[i + 56u] = t[3];
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n4 = group.x % params.tiles * (ROWS / 4u);
  let k4 = group.x / params.tiles * select(8u, 16u, WIDE) + lane;
  let from_n = params.first + min(n4 + lane, params.n4 - 1u);
  let from_k = min(k4, params.k4 - 1u);
  let from_k8 = min(k4 + 8u, params.k4 - 1u);
  let d = vec2(i32(group.y) % SIZE, i32(group.y) / SIZE) - SIZE / 2;
  let left = u32(max(0, -d.x));
  let right = params.width - u32(max(0, d.x));
  let end = min((group.z + 1u) * params.chunk, params.rows);
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var a4 = mat4x4<f32>(); var a5 = mat4x4<f32>(); var a6 = mat4x4<f32>(); var a7 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var b4 = mat4x4<f32>(); var b5 = mat4x4<f32>(); var b6 = mat4x4<f32>(); var b7 = mat4x4<f32>();
  for (var row = group.z * params.chunk; row < end; row++) {
    let other_row = i32(row % params.height) + d.y;
    if (other_row < 0 || other_row >= i32(params.height)) { continue; }
    for (var column = left; column < right; column++) {
      let pixel = row * params.width + column;
      let other = u32(i32(pixel) + d.y * i32(params.width) + d.x) * params.k4;
      let g = dy[from_n + pixel * params.stride];
      let s = x_at(other + from_k);
      a0 += outer(s, subgroupBroadcast(g, 0u)); a1 += outer(s, subgroupBroadcast(g, 1u));
      if (ROWS > 8u) {
        a2 += outer(s, subgroupBroadcast(g, 2u)); a3 += outer(s, subgroupBroadcast(g, 3u));
      }
      if (ROWS > 16u) {
        a4 += outer(s, subgroupBroadcast(g, 4u)); a5 += outer(s, subgroupBroadcast(g, 5u));
        a6 += outer(s, subgroupBroadcast(g, 6u)); a7 += outer(s, subgroupBroadcast(g, 7u));
      }
      if (WIDE) {
        let t = x_at(other + from_k8);
        b0 += outer(t, subgroupBroadcast(g, 0u)); b1 += outer(t, subgroupBroadcast(g, 1u));
        if (ROWS > 8u) {
          b2 += outer(t, subgroupBroadcast(g, 2u)); b3 += outer(t, subgroupBroadcast(g, 3u));
        }
        if (ROWS > 16u) {
          b4 += outer(t, subgroupBroadcast(g, 4u)); b5 += outer(t, subgroupBroadcast(g, 5u));
          b6 += outer(t, subgroupBroadcast(g, 6u)); b7 += outer(t, subgroupBroadcast(g, 7u));
        }
      }
    }
  }
  put_sums(lane, a0, b0); put_sums(lane + 64u, a1, b1);
  if (ROWS > 8u) { put_sums(lane + 128u, a2, b2); put_sums(lane + 192u, a3, b3); }
  if (ROWS > 16u) {
    put_sums(lane + 256u, a4, b4); put_sums(lane + 320u, a5, b5);
    put_sums(lane + 384u, a6, b6); put_sums(lane + 448u, a7, b7);
  }
  for (var j = 0u; j < ROWS; j++) {
    write_out(group, 4u * n4 + j, k4, sums[j * 16u + lane]);
    if (WIDE) { write_out(group, 4u * n4 + j, k4 + 8u, sums[j * 16u + 8u + lane]); }
  }
}
