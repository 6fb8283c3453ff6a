// Joined after fragments: weights, texel, broadcast, conv2d, neighbour.
// The CPU form of `conv2d`: one subgroup of eight lanes computes ROWS pixels by 32 channels; every
// number is loaded by one lane and goes to the others by broadcast (see fragments/broadcast.wgsl). A
// lane gathers the weights of its four channels and loads, of each eight pixels, the channels of one
// pixel's neighbour, whose place is found once a tap.

override ROWS: u32 = 64u;         // pixels per workgroup: 8, 16, 32 or 64

@group(0) @binding(2) var w: texture_storage_2d<rgba32uint, read>;  // [N / 32, taps K, 32]

fn packed(i: u32) -> vec4<u32> { return textureLoad(w, texel(i)); }

// Staging for sums, so that a loop over them keeps the code and its compile time small.
var<workgroup> sums: array<vec4<f32>, ROWS * 8u>;

// A pixel's index and position; one past the last is placed far outside the image.
fn locate(p: u32) -> vec3<i32> {
  let size = vec2<u32>(vec2(params.width, params.height));
  let place = vec2<i32>(vec2(p % size.x, p / size.x % size.y));
  return vec3(i32(p), select(vec2(-SIZE), place, p < params.pixels));
}

fn put_sums(i: u32, a: mat4x4<f32>) {
  sums[i] = a[0]; sums[i + 8u] = a[1]; sums[i + 16u] = a[2]; sums[i + 24u] = a[3];
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.y * groups.x + group.x) * ROWS;
  let p = first + lane;
  let p0 = locate(p); let p1 = locate(p + 8u); let p2 = locate(p + 16u); let p3 = locate(p + 24u);
  let p4 = locate(p + 32u); let p5 = locate(p + 40u);
  let p6 = locate(p + 48u); let p7 = locate(p + 56u);
  let k4s = params.k / 4u;
  let step = select(32u, 16u, F16);
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var a4 = mat4x4<f32>(); var a5 = mat4x4<f32>(); var a6 = mat4x4<f32>(); var a7 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var b4 = mat4x4<f32>(); var b5 = mat4x4<f32>(); var b6 = mat4x4<f32>(); var b7 = mat4x4<f32>();
  for (var tap = 0; tap < SIZE * SIZE; tap++) {
    let d = vec2(tap % SIZE, tap / SIZE) - SIZE / 2;
    let n0 = neighbour(p0, d); let n1 = neighbour(p1, d);
    let n2 = neighbour(p2, d); let n3 = neighbour(p3, d);
    let n4 = neighbour(p4, d); let n5 = neighbour(p5, d);
    let n6 = neighbour(p6, d); let n7 = neighbour(p7, d);
    let block = (group.z * u32(SIZE * SIZE) + u32(tap)) * k4s * step + lane;
    for (var k = 0u; k < k4s; k++) {
      let t = weights(block + k * step);
      let x0 = channels(n0, k); a0 += t * low(x0); a1 += t * high(x0);
      if (ROWS > 8u) { let x1 = channels(n1, k); a2 += t * low(x1); a3 += t * high(x1); }
      if (ROWS > 16u) {
        let x2 = channels(n2, k); a4 += t * low(x2); a5 += t * high(x2);
        let x3 = channels(n3, k); a6 += t * low(x3); a7 += t * high(x3);
      }
      if (ROWS > 32u) {
        let x4 = channels(n4, k); b0 += t * low(x4); b1 += t * high(x4);
        let x5 = channels(n5, k); b2 += t * low(x5); b3 += t * high(x5);
        let x6 = channels(n6, k); b4 += t * low(x6); b5 += t * high(x6);
        let x7 = channels(n7, k); b6 += t * low(x7); b7 += t * high(x7);
      }
    }
  }
  put_sums(lane, a0); put_sums(lane + 32u, a1);
  if (ROWS > 8u) { put_sums(lane + 64u, a2); put_sums(lane + 96u, a3); }
  if (ROWS > 16u) {
    put_sums(lane + 128u, a4); put_sums(lane + 160u, a5);
    put_sums(lane + 192u, a6); put_sums(lane + 224u, a7);
  }
  if (ROWS > 32u) {
    put_sums(lane + 256u, b0); put_sums(lane + 288u, b1);
    put_sums(lane + 320u, b2); put_sums(lane + 352u, b3);
    put_sums(lane + 384u, b4); put_sums(lane + 416u, b5);
    put_sums(lane + 448u, b6); put_sums(lane + 480u, b7);
  }
  let column4 = group.z * 8u + lane;
  let a = affine(column4);
  for (var i = 0u; i < ROWS; i++) { finish(first + i, column4, sums[i * 8u + lane], a); }
}
