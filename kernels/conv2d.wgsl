// y = act(conv(x, w) * scale + bias), or y += that: SIZE x SIZE taps, stride 1, zero padding, NHWC.
// An implicit matmul over k = tap * C + channel. One lane computes 16 pixels by 8 channels, four
// pixels by four channels a matrix; a pixel's channels are loaded by an index that is the same for
// all lanes of a workgroup.

override WG: u32 = 8u;

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;  // [N / 32, taps K, 32]

fn packed(i: u32) -> vec4<u32> { return w[i]; }

// Four neighbours, one tap away from four pixels: where they start, 0 for those outside the image.
struct Neighbours { at: vec4<u32>, weight: vec4<f32>, }

fn neighbours(p: vec4<u32>, tap: i32) -> Neighbours {
  let d = vec2(tap % SIZE, tap / SIZE) - SIZE / 2;
  let size = vec2<u32>(vec2(params.width, params.height));
  let x = vec4<i32>(p % size.x) + d.x;
  let y = vec4<i32>(p / size.x % size.y) + d.y;
  let low = (x >= vec4(0)) & (y >= vec4(0)) & (p < vec4(params.pixels));
  let inside = low & (x < vec4(params.width)) & (y < vec4(params.height));
  let at = vec4<u32>(vec4<i32>(p) + d.y * params.width + d.x) * (params.k / 4u);
  return Neighbours(select(vec4(0u), at, inside), select(vec4(0.0), vec4(1.0), inside));
}

fn channels(n: Neighbours, k4: u32) -> mat4x4<f32> {
  return mat4x4(
    x[n.at.x + k4] * n.weight.x, x[n.at.y + k4] * n.weight.y,
    x[n.at.z + k4] * n.weight.z, x[n.at.w + k4] * n.weight.w,
  );
}

// What becomes of eight sums: two neighbouring quartets of channels.
struct Epilogue { column4: u32, lo: Affine, hi: Affine, }

fn store2(pixel: u32, e: Epilogue, lo: vec4<f32>, hi: vec4<f32>) {
  store(pixel, e.column4, lo, e.lo);
  store(pixel, e.column4 + 1u, hi, e.hi);
}

fn store4(pixel: u32, e: Epilogue, lo: mat4x4<f32>, hi: mat4x4<f32>) {
  store2(pixel, e, lo[0], hi[0]); store2(pixel + 1u, e, lo[1], hi[1]);
  store2(pixel + 2u, e, lo[2], hi[2]); store2(pixel + 3u, e, lo[3], hi[3]);
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let octets = (params.n + 7u) / 8u;
  let column = group.z * WG + lane;
  if (column >= octets) { return; }
  let first = (group.y * groups.x + group.x) * 16u;
  let p = first + vec4(0u, 1u, 2u, 3u);
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  for (var tap = 0; tap < SIZE * SIZE; tap++) {
    let n0 = neighbours(p, tap);
    let n1 = neighbours(p + 4u, tap);
    let n2 = neighbours(p + 8u, tap);
    let n3 = neighbours(p + 12u, tap);
    let base = (column / 4u * u32(SIZE * SIZE) + u32(tap)) * (params.k / 4u);
    for (var k4 = 0u; k4 < params.k / 4u; k4++) {
      let i = (base + k4) * select(32u, 16u, F16) + column % 4u * 2u;
      let lo = weights(i);
      let hi = weights(i + 1u);
      let x0 = channels(n0, k4); a0 += lo * x0; b0 += hi * x0;
      let x1 = channels(n1, k4); a1 += lo * x1; b1 += hi * x1;
      let x2 = channels(n2, k4); a2 += lo * x2; b2 += hi * x2;
      let x3 = channels(n3, k4); a3 += lo * x3; b3 += hi * x3;
    }
  }
  let e = Epilogue(2u * column, affine(2u * column), affine(2u * column + 1u));
  store4(first, e, a0, b0); store4(first + 4u, e, a1, b1);
  store4(first + 8u, e, a2, b2); store4(first + 12u, e, a3, b3);
}
