// The form of `conv2d` for GPUs (see fragments/tile.wgsl): an implicit matmul, a row a pixel, of
// k = tap * C + channel.

fn rows() -> u32 { return params.pixels; }

fn depth4() -> u32 { return u32(SIZE * SIZE) * params.k / 4u; }

fn begin(tile: u32, index: u32) {}

// Four channels of a tap of a pixel; `own` is its index in the tile.
fn activation(tile: u32, own: u32, k4: u32) -> vec4<f32> {
  let pixel = tile * ROWS + own;
  let size = vec2<u32>(vec2(params.width, params.height));
  let center = vec2<i32>(vec2(pixel % size.x, pixel / size.x % size.y));
  let k4s = params.k / 4u;
  let tap = i32(k4 / k4s);
  let d = vec2(tap % SIZE, tap / SIZE) - SIZE / 2;
  let place = center + d;
  let inside = all((place >= vec2(0)) & (place < vec2(params.width, params.height))) &&
    pixel < params.pixels && tap < SIZE * SIZE;
  let neighbour = u32(i32(pixel) + d.y * params.width + d.x);
  return select(vec4(0.0), x[select(0u, neighbour * k4s + k4 % k4s, inside)], inside);
}

fn write_out(pixel: u32, column4: u32, sum: vec4<f32>) {
  finish(pixel, column4, sum, affine(column4));
}
