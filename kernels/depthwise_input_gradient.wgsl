// Joined after fragments: lane, quotient.
// dx of a depthwise 3 x 3 convolution (zero padding): dx[p, c] = sum over taps of dy[p - tap, c] w[tap, c].
// One lane computes four channels of one pixel.

struct Params {
  count: u32,      // lanes: B H W C / 4
  height: i32,
  width: i32,
  channels: u32,   // C
  taps: i32,       // 9: a number that compilers don't know keeps the loop a loop
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [B, H, W, C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;        // [taps, C]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>; // [B, H, W, C]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let c4s = params.channels / 4u;
  let of_all = quotient(id, c4s);
  let c = id - of_all * c4s;
  let pixel = i32(of_all);
  let size = vec2(params.width, params.height);
  let row = quotient(of_all, u32(size.x));
  let place = vec2(pixel - i32(row) * size.x, i32(row - quotient(row, u32(size.y)) * u32(size.y)));
  var sum = vec4(0.0);
  for (var tap = 0; tap < params.taps; tap++) {
    let d = 1 - vec2(tap % 3, tap / 3);
    let inside = all((place + d >= vec2(0)) & (place + d < size));
    let i = select(0u, u32(pixel + d.y * size.x + d.x), inside) * c4s + c;
    sum += select(0.0, 1.0, inside) * dy[i] * w[u32(tap) * c4s + c];
  }
  dx[id] = sum;
}
