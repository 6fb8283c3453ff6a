// The form of `linear` for GPUs (see fragments/tile.wgsl). With NORM x is normalised and modulated on
// its way in, as `layer_norm` does it.

// Of each row of the tile: its first number, the mean less that, 1 / deviation, and its row of the
// table: far below 2^24, so exact.
var<workgroup> norms: array<vec4<f32>, ROWS>;

fn rows() -> u32 { return params.m; }

fn depth4() -> u32 { return params.k / 4u; }

fn begin(tile: u32, index: u32) {
  if (NORM) { measure_rows(tile, index); }
}

// `own` is the row's index in the tile.
fn activation(tile: u32, own: u32, k4: u32) -> vec4<f32> {
  let k4s = params.k / 4u;
  let row = tile * ROWS + own;
  var v = x[min(row, params.m - 1u) * k4s + min(k4, k4s - 1u)];
  if (NORM) {
    let norm = norms[own];
    let at = u32(norm.w) * (params.table_stride / 4u) + min(k4, k4s - 1u);
    v = (v - norm.x - norm.y) * norm.z;
    v = v * (1.0 + table[at + params.norm_scale / 4u]) + table[at + params.norm_shift / 4u];
  }
  return select(vec4(0.0), v, row < params.m && k4 < k4s);
}

// A vec4 of a row minus the row's first number, against cancellation; 0 beyond the row.
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
    let first = x[own * (params.k / 4u)].x;
    let table_row = frames[own / params.tokens].row;
    norms[index] = vec4(first, all.x, inverseSqrt(variance + 1e-6), f32(table_row));
  }
  workgroupBarrier();
}
