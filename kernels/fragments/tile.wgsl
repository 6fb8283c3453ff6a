// A matrix product y = x W on GPUs: a workgroup computes ROWS rows by 32 columns with 64 lanes of
// 4 or 8 rows by 4 columns. Weights come straight from memory, 128 bytes a k. Where the tiles alone
// leave a GPU idle, SLICES times 64 lanes share the k of a tile.
//
// The kernel says what x and y are: `rows()`, `depth4()` vec4s of a row of x, `source_of(tile, row)`,
// a row to load from, `depth_at(k4)` and `next_depth(d)`, a place in all rows, `activation(source,
// depth)`, 0 beyond the last k, `write_out(row, column4, sum)`, and `begin(tile, index)`, called
// first. How lanes pass x on is in tile_memory.wgsl and tile_shuffle.wgsl: `begin_loads`,
// `load_tile`, `tile_at`.

override ROWS: u32 = 32u;       // or 64
override SLICES: u32 = 1u;
override AHEAD: u32 = 4u;       // vec4s of k whose weights are asked for at once: 1, 2 or 4

const TILE_K4 = 4u;                // vec4s of a row of x at a time

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [N / 32, K, 32]

fn packed(i: u32) -> vec4<u32> { return w[i]; }

// A vec4 of each row of the tile, of the same k: rows[i][r] is row 8 i + r, and a lane's rows differ
// in i, so what eight neighbours read lies side by side. The padding moves the next k to other banks.
struct Column { rows: array<array<vec4<f32>, 8>, ROWS / 8u>, padding: array<vec4<f32>, 2>, }

// For each slice: of x, or sums on their way to another lane.
var<workgroup> heap: array<array<Column, TILE_K4>, SLICES>;

// The sums of 32 rows at a time: half the lanes' take the first slice's place, the others' the next.
fn put_sums(lane: u32, half: u32, a: mat4x4<f32>) {
  let slice = lane / 32u;
  let j = lane / 8u % 4u;
  let r = lane % 8u;
  heap[slice][j].rows[4u * half][r] = a[0];
  heap[slice][j].rows[4u * half + 1u][r] = a[1];
  heap[slice][j].rows[4u * half + 2u][r] = a[2];
  heap[slice][j].rows[4u * half + 3u][r] = a[3];
}

fn rows_at(slice: u32, j: u32, r: u32, half: u32) -> mat4x4<f32> {
  return mat4x4(
    heap[slice][j].rows[4u * half][r], heap[slice][j].rows[4u * half + 1u][r],
    heap[slice][j].rows[4u * half + 2u][r], heap[slice][j].rows[4u * half + 3u][r],
  );
}

fn sums_at(lane: u32, half: u32) -> mat4x4<f32> {
  return rows_at(lane / 32u, lane / 8u % 4u, lane % 8u, half);
}

fn write_inside(row: u32, column4: u32, sum: vec4<f32>) {
  if (row < rows() && column4 * 4u < params.n) { write_out(row, column4, sum); }
}

fn write_rows(row: u32, column4: u32, a: mat4x4<f32>) {
  write_inside(row, column4, a[0]); write_inside(row + 8u, column4, a[1]);
  write_inside(row + 16u, column4, a[2]); write_inside(row + 24u, column4, a[3]);
}

// sum + t x as a chain of multiply-adds.
fn chain(sum: vec4<f32>, t: mat4x4<f32>, x: vec4<f32>) -> vec4<f32> {
  return t[3] * x.w + (t[2] * x.z + (t[1] * x.y + (t[0] * x.x + sum)));
}

fn add_product(sum: mat4x4<f32>, t: mat4x4<f32>, x: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(
    chain(sum[0], t, x[0]), chain(sum[1], t, x[1]), chain(sum[2], t, x[2]), chain(sum[3], t, x[3]),
  );
}

// Sums of a lane's rows: 0, 8, 16 and 24 from its first, then those 32 further.
struct Sums { a: mat4x4<f32>, b: mat4x4<f32>, }

fn add_column(s: Sums, t: mat4x4<f32>, index: u32, j: u32) -> Sums {
  let a = add_product(s.a, t, tile_at(index, 0u, j));
  if (ROWS > 32u) { return Sums(a, add_product(s.b, t, tile_at(index, 1u, j))); }
  return Sums(a, s.b);
}

// Unrolled by hand: compilers keep a loop, and wait for memory in each trip. Weights beyond the last
// k meet zeros.
fn add_step(sums: Sums, i: u32, index: u32) -> Sums {
  let stride = select(32u, 16u, F16);   // 16-byte units of four k of a block
  let t0 = weights(i);
  var t1 = t0; var t2 = t0; var t3 = t0;
  if (AHEAD > 1u) { t1 = weights(i + stride); }
  if (AHEAD > 2u) { t2 = weights(i + 2u * stride); t3 = weights(i + 3u * stride); }
  var s = add_column(sums, t0, index, 0u);
  if (AHEAD < 2u) { t1 = weights(i + stride); }
  s = add_column(s, t1, index, 1u);
  if (AHEAD < 4u) { t2 = weights(i + 2u * stride); }
  if (AHEAD == 2u) { t3 = weights(i + 3u * stride); }
  s = add_column(s, t2, index, 2u);
  if (AHEAD < 2u) { t3 = weights(i + 3u * stride); }
  return add_column(s, t3, index, 3u);
}

// Adds the slices' sums in a fixed order; the first has the result.
fn add_slices(sums: Sums, slice: u32, lane: u32) -> Sums {
  var s = sums;
  for (var other = SLICES - 1u; other > 0u; other--) {
    workgroupBarrier();
    if (slice == other) {
      put_sums(lane, 0u, s.a);
      if (ROWS > 32u) { put_sums(lane, 1u, s.b); }
    }
    workgroupBarrier();
    if (slice == 0u) {
      s.a += sums_at(lane, 0u);
      if (ROWS > 32u) { s.b += sums_at(lane, 1u); }
    }
  }
  return s;
}

// Computes a tile of a block of columns. Tiles of the same block are neighbours in the grid, so a
// small cache fetches its weights once.
fn product(tile: u32, block: u32, index: u32) {
  let slice = index / 64u;
  let column = index % 8u;
  let k4s = depth4();
  let steps = (k4s + SLICES * TILE_K4 - 1u) / (SLICES * TILE_K4);
  begin(tile, index);
  let k4 = slice * steps * TILE_K4;
  let stride = select(32u, 16u, F16);
  var i = (block * k4s + k4) * stride + column;
  var loads = begin_loads(tile, k4, index);
  var s = Sums();
  for (var step = 0u; step < steps; step++) {
    loads = load_tile(loads, index);
    s = add_step(s, i, index);
    i += TILE_K4 * stride;
  }
  if (SLICES > 1u) { s = add_slices(s, slice, index % 64u); }
  if (slice > 0u) { return; }
  let first = tile * ROWS + index % 64u / 8u;
  write_rows(first, block * 8u + column, s.a);
  if (ROWS > 32u) { write_rows(first + 32u, block * 8u + column, s.b); }
}
