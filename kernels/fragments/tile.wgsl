// A matrix product y = x W on GPUs: a workgroup computes ROWS rows by 32 columns with 64 lanes of
// 4 or 8 rows by 4 columns. Weights come straight from memory, 128 bytes a k. Where the tiles alone
// leave a GPU idle, SLICES times 64 lanes share the k of a tile.
//
// The kernel says what x and y are: `rows()`, `depth4()` vec4s of a row of x, `activation(tile,
// row, k4)`, 0 outside the matrix, `write_out(row, column4, sum)`, and `begin(tile, index)`, called
// first. How lanes pass x on is in tile_memory.wgsl and tile_shuffle.wgsl: `load_tile`, `tile_at`.

override ROWS: u32 = 32u;       // or 64
override SLICES: u32 = 1u;

const TILE_K4 = 4u;                // vec4s of a row of x at a time

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [N / 32, K, 32]

fn packed(i: u32) -> vec4<u32> { return w[i]; }

// A slice has TILE_K4 ROWS vec4s of it: of x, or sums on their way to another lane.
var<workgroup> heap: array<vec4<f32>, SLICES * TILE_K4 * ROWS>;

fn put_sums(i: u32, a: mat4x4<f32>) {
  heap[i] = a[0]; heap[i + 64u] = a[1]; heap[i + 128u] = a[2]; heap[i + 192u] = a[3];
}

fn sums_at(i: u32) -> mat4x4<f32> {
  return mat4x4(heap[i], heap[i + 64u], heap[i + 128u], heap[i + 192u]);
}

fn write_inside(row: u32, column4: u32, sum: vec4<f32>) {
  if (row < rows() && column4 * 4u < params.n) { write_out(row, column4, sum); }
}

fn write_rows(row: u32, column4: u32, a: mat4x4<f32>) {
  write_inside(row, column4, a[0]); write_inside(row + 1u, column4, a[1]);
  write_inside(row + 2u, column4, a[2]); write_inside(row + 3u, column4, a[3]);
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

// Computes a tile of a block of columns. Tiles of the same block are neighbours in the grid, so a
// small cache fetches its weights once.
fn product(tile: u32, block: u32, index: u32) {
  let slice = index / 64u;
  let column = index % 8u;
  let row = index % 64u / 8u * (ROWS / 8u);
  let k4s = depth4();
  let steps = (k4s + SLICES * TILE_K4 - 1u) / (SLICES * TILE_K4);
  let base = block * k4s;
  let stride = select(32u, 16u, F16);   // 16-byte units of four k of a block
  begin(tile, index);
  var k = slice * steps * TILE_K4;
  var a = mat4x4<f32>(); var b = mat4x4<f32>();
  for (var step = 0u; step < steps; step++) {
    load_tile(tile, k, index);
    // unrolled by hand: compilers keep a loop here, with a wait for memory in each iteration
    let last = k4s - 1u;
    let i0 = (base + min(k, last)) * stride + column;
    let i1 = (base + min(k + 1u, last)) * stride + column;
    let i2 = (base + min(k + 2u, last)) * stride + column;
    let i3 = (base + min(k + 3u, last)) * stride + column;
    if (ROWS > 32u) {   // load each weight when it is needed: the sums leave no registers for more
      let t0 = weights(i0);
      a = add_product(a, t0, tile_at(index, row, 0u));
      b = add_product(b, t0, tile_at(index, row + 4u, 0u));
      let t1 = weights(i1);
      a = add_product(a, t1, tile_at(index, row, 1u));
      b = add_product(b, t1, tile_at(index, row + 4u, 1u));
      let t2 = weights(i2);
      a = add_product(a, t2, tile_at(index, row, 2u));
      b = add_product(b, t2, tile_at(index, row + 4u, 2u));
      let t3 = weights(i3);
      a = add_product(a, t3, tile_at(index, row, 3u));
      b = add_product(b, t3, tile_at(index, row + 4u, 3u));
    } else {            // load all weights first: a single wait for memory
      let t0 = weights(i0); let t1 = weights(i1); let t2 = weights(i2); let t3 = weights(i3);
      a = add_product(a, t0, tile_at(index, row, 0u));
      a = add_product(a, t1, tile_at(index, row, 1u));
      a = add_product(a, t2, tile_at(index, row, 2u));
      a = add_product(a, t3, tile_at(index, row, 3u));
    }
    k += TILE_K4;
  }
  for (var other = SLICES - 1u; other > 0u; other--) {
    workgroupBarrier();
    let own = index % 64u;
    if (slice == other) {
      put_sums(own, a);
      if (ROWS > 32u) { put_sums(own + 256u, b); }
    }
    workgroupBarrier();
    if (slice == 0u) {
      a += sums_at(own);
      if (ROWS > 32u) { b += sums_at(own + 256u); }
    }
  }
  if (slice > 0u) { return; }
  let first = tile * ROWS + row;
  write_rows(first, block * 8u + column, a);
  if (ROWS > 32u) { write_rows(first + 4u, block * 8u + column, b); }
}
