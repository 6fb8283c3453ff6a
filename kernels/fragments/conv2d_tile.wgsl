// The form of `conv2d` for GPUs (see fragments/tile.wgsl): an implicit matmul, a row a pixel, of
// k = tap * C + channel.

fn rows() -> u32 { return params.pixels; }

fn depth4() -> u32 { return u32(SIZE * SIZE) * params.k / 4u; }

fn begin(tile: u32, index: u32) {}

// A pixel: its place in its picture, and where its channels start.
struct Source { place: vec2<i32>, at: i32, size: vec2<i32>, k4s: i32, }

// `own` is the pixel's index in the tile. Of pixels beyond the last nothing is written.
fn source_of(tile: u32, own: u32) -> Source {
  let pixel = i32(min(tile * ROWS + own, params.pixels - 1u));
  let place = vec2(pixel % params.width, pixel / params.width % params.height);
  let k4s = i32(params.k / 4u);
  return Source(place, pixel * k4s, vec2(params.width, params.height), k4s);
}

// A tap, and four channels of it; how far the next step is, and how many channels there are.
struct Depth { tap: i32, channel4: i32, taps: i32, channels4: i32, k4s: i32, }

fn depth_at(k4: u32) -> Depth {
  let k4s = i32(params.k / 4u);
  let step = i32(TILE_K4);
  return Depth(i32(k4) / k4s, i32(k4) % k4s, step / k4s, step % k4s, k4s);
}

fn next_depth(d: Depth) -> Depth {
  let channel4 = d.channel4 + d.channels4;
  let over = channel4 >= d.k4s;
  let tap = d.tap + d.taps + select(0, 1, over);
  return Depth(tap, select(channel4, channel4 - d.k4s, over), d.taps, d.channels4, d.k4s);
}

// Four channels of a pixel's neighbour, if that lies in the picture.
struct Loaded { x: vec4<f32>, inside: bool, }

fn ask(s: Source, d: Depth) -> Loaded {
  let offset = vec2(d.tap % SIZE, d.tap / SIZE) - SIZE / 2;
  let place = s.place + offset;
  let inside = all((place >= vec2(0)) & (place < s.size)) && d.tap < SIZE * SIZE;
  let i = s.at + (offset.y * s.size.x + offset.x) * s.k4s + d.channel4;
  return Loaded(x[u32(select(0, i, inside))], inside);
}

fn activation(s: Source, d: Depth, l: Loaded) -> vec4<f32> {
  return select(vec4(0.0), l.x, l.inside);
}

fn write_out(pixel: u32, column4: u32, sum: vec4<f32>) {
  finish(pixel, column4, sum, affine(column4));
}
