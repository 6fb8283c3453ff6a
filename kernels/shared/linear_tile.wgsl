// What both forms of `linear` for GPUs do: a workgroup computes ROWS rows by 32 columns with 64 lanes
// of 4 or 8 rows by 4 columns. Weights come straight from memory, 128 bytes a k; the forms differ in
// how lanes come by x. Where the tiles alone leave a GPU idle, SLICES times 64 lanes share the k of a
// tile. With NORM x is normalised and modulated on its way in, as `layer_norm` does it.

override ROWS: u32 = 32u;       // or 64
override SLICES: u32 = 1u;
override NORM: bool = false;

const STEP = 4u;                // vec4s of a row of x at a time

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [N / 32, K, 32]

fn packed(i: u32) -> vec4<u32> { return w[i]; }

// A slice has STEP ROWS vec4s of it: of x, or sums on their way to another lane.
var<workgroup> heap: array<vec4<f32>, SLICES * STEP * ROWS>;
// Of each row of the tile: its first number, the mean less that, 1 / deviation, and where its row of
// the table starts, in vec4s: far below 2^24, so exact.
var<workgroup> norms: array<vec4<f32>, ROWS>;

// x outside the matrix is 0, so that what else is read there doesn't count; `own` is the row's number
// in the tile.
fn activation(tile: u32, own: u32, k4: u32) -> vec4<f32> {
  let k4s = params.k / 4u;
  let row = tile * ROWS + own;
  var v = x[min(row, params.m - 1u) * k4s + min(k4, k4s - 1u)];
  if (NORM) {
    let norm = norms[own];
    let at = u32(norm.w) + min(k4, k4s - 1u);
    v = (v - norm.x - norm.y) * norm.z;
    v = v * (1.0 + table[at + params.norm_scale / 4u]) + table[at + params.norm_shift / 4u];
  }
  return select(vec4(0.0), v, row < params.m && k4 < k4s);
}

// A vec4 of a row less the row's first number, against cancellation; beyond the row nothing.
fn deviation(row: u32, k4: u32) -> vec4<f32> {
  let first = row * (params.k / 4u);
  let v = x[first + min(k4, params.k / 4u - 1u)] - x[first].x;
  return select(vec4(0.0), v, k4 < params.k / 4u);
}

// Fills `norms`: neighbouring lanes share a row.
fn measure_rows(tile: u32, index: u32) {
  let lanes = 64u * SLICES / ROWS;
  let row = min(tile * ROWS + index / lanes, params.m - 1u);
  var sums = vec2(0.0);
  for (var k4 = index % lanes; k4 < params.k / 4u; k4 += 4u * lanes) {
    let a = deviation(row, k4); let b = deviation(row, k4 + lanes);
    let c = deviation(row, k4 + 2u * lanes); let d = deviation(row, k4 + 3u * lanes);
    sums += vec2(dot(a + b + c + d, vec4(1.0)), dot(a, a) + dot(b, b) + dot(c, c) + dot(d, d));
  }
  heap[index] = vec4(sums, 0.0, 0.0);
  workgroupBarrier();
  if (index < ROWS) {
    let own = min(tile * ROWS + index, params.m - 1u);
    var all = vec2(0.0);
    for (var i = 0u; i < lanes; i++) { all += heap[index * lanes + i].xy; }
    all /= f32(params.k);
    let variance = max(all.y - all.x * all.x, 0.0);
    let start = frames[own / params.tokens].x * (params.table_stride / 4u);
    let first = x[own * (params.k / 4u)].x;
    norms[index] = vec4(first, all.x, inverseSqrt(variance + 1e-6), f32(start));
  }
  workgroupBarrier();
}

fn keep(i: u32, a: mat4x4<f32>) {
  heap[i] = a[0]; heap[i + 64u] = a[1]; heap[i + 128u] = a[2]; heap[i + 192u] = a[3];
}

fn kept(i: u32) -> mat4x4<f32> {
  return mat4x4(heap[i], heap[i + 64u], heap[i + 128u], heap[i + 192u]);
}

fn store_inside(row: u32, column4: u32, sum: vec4<f32>) {
  if (row < params.m && column4 * 4u < params.n) { store(row, column4, sum); }
}

fn store_rows(row: u32, column4: u32, a: mat4x4<f32>) {
  store_inside(row, column4, a[0]); store_inside(row + 1u, column4, a[1]);
  store_inside(row + 2u, column4, a[2]); store_inside(row + 3u, column4, a[3]);
}

// Computes a tile. Those of the same weights are neighbours, so that a small cache fetches these once.
fn product(group: vec3<u32>, index: u32) {
  let slice = index / 64u;
  let column = index % 8u;
  let row = index % 64u / 8u * (ROWS / 8u);
  let k4s = params.k / 4u;
  let steps = (k4s + SLICES * STEP - 1u) / (SLICES * STEP);
  if (NORM) { measure_rows(group.x, index); }
  var k = slice * steps * STEP;
  var a = mat4x4<f32>(); var b = mat4x4<f32>();
  for (var step = 0u; step < steps; step++) {
    fetch(group.x, k, index);
    for (var j = 0u; j < STEP; j++) {
      let k4 = min(k + j, k4s - 1u);
      let t = weights((group.y * k4s + k4) * select(32u, 16u, F16) + column);
      a += t * fetched(index, row, j);
      if (ROWS > 32u) { b += t * fetched(index, row + 4u, j); }
    }
    k += STEP;
  }
  for (var other = SLICES - 1u; other > 0u; other--) {
    workgroupBarrier();
    let own = index % 64u;
    if (slice == other) {
      keep(own, a);
      if (ROWS > 32u) { keep(own + 256u, b); }
    }
    workgroupBarrier();
    if (slice == 0u) {
      a += kept(own);
      if (ROWS > 32u) { b += kept(own + 256u); }
    }
  }
  if (slice > 0u) { return; }
  let first = group.x * ROWS + row;
  store_rows(first, group.y * 8u + column, a);
  if (ROWS > 32u) { store_rows(first + 4u, group.y * 8u + column, b); }
}
