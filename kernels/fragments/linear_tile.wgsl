// The form of `linear` for GPUs (see fragments/tile.wgsl). With NORM x is normalised and modulated on
// its way in, as `layer_norm` does it.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;   // [M, K]

// Of each row of the tile: its first number, the mean less that, 1 / deviation, and its row of the
// table: far below 2^24, so exact.
var<workgroup> row_norms: array<vec4<f32>, ROWS>;

fn rows() -> u32 { return params.m; }

fn depth4() -> u32 { return params.k / 4u; }

fn begin(tile: u32, index: u32) {
  if (NORM) { measure_rows(tile, index); }
}

// A row of x: where it starts, its mean in two parts, 1 / deviation, and its scale and shift.
struct Source { at: u32, norm: vec4<f32>, scale: u32, shift: u32, }

// `own` is the row's index in the tile. Of rows beyond the last nothing is written.
fn source_of(tile: u32, own: u32) -> Source {
  let at = min(tile * ROWS + own, params.m - 1u) * (params.k / 4u);
  var s = Source(at, vec4(0.0), 0u, 0u);
  if (NORM) {
    s.norm = row_norms[own];
    let table_row = u32(s.norm.w) * (params.table_stride / 4u);
    s.scale = table_row + params.norm_scale / 4u;
    s.shift = table_row + params.norm_shift / 4u;
  }
  return s;
}

struct Depth { k4: u32, end: u32, }

fn depth_at(k4: u32) -> Depth { return Depth(k4, params.k / 4u); }

fn next_depth(d: Depth) -> Depth { return Depth(d.k4 + TILE_K4, d.end); }

// Of a row: four numbers, and their scale and shift.
struct Loaded { x: vec4<f32>, scale: vec4<f32>, shift: vec4<f32>, }

fn ask(s: Source, d: Depth) -> Loaded {
  let v = x[s.at + d.k4];
  if (!NORM) { return Loaded(v, v, v); }
  return Loaded(v, table[s.scale + d.k4], table[s.shift + d.k4]);
}

fn activation(s: Source, d: Depth, l: Loaded) -> vec4<f32> {
  var v = l.x;
  if (NORM) {
    v = (v - s.norm.x - s.norm.y) * s.norm.z;
    v = v * (1.0 + l.scale) + l.shift;
  }
  return select(vec4(0.0), v, d.k4 < d.end);
}

// A vec4 of a row minus the row's first number, against cancellation; 0 beyond the row.
fn deviation(row: u32, k4: u32) -> vec4<f32> {
  let first = row * (params.k / 4u);
  let v = x[first + min(k4, params.k / 4u - 1u)] - x[first].x;
  return select(vec4(0.0), v, k4 < params.k / 4u);
}

// Fills `row_norms`: neighbouring lanes share a row.
fn measure_rows(tile: u32, index: u32) {
  let lanes = LANES * SLICES / ROWS;
  let row = min(tile * ROWS + index / lanes, params.m - 1u);
  var sums = vec2(0.0);
  for (var k4 = index % lanes; k4 < params.k / 4u; k4 += 4u * lanes) {
    let a = deviation(row, k4); let b = deviation(row, k4 + lanes);
    let c = deviation(row, k4 + 2u * lanes); let d = deviation(row, k4 + 3u * lanes);
    sums += vec2(dot(a + b + c + d, vec4(1.0)), dot(a, a) + dot(b, b) + dot(c, c) + dot(d, d));
  }
  leave(index, 0u, vec4(sums, 0.0, 0.0));
  workgroupBarrier();
  if (index < ROWS) {
    let own = min(tile * ROWS + index, params.m - 1u);
    var all = vec2(0.0);
    for (var i = 0u; i < lanes; i++) { all += left_by(index * lanes + i, 0u).xy; }
    all /= f32(params.k);
    let variance = max(all.y - all.x * all.x, 0.0);
    let first = x[own * (params.k / 4u)].x;
    let table_row = frames[own / params.tokens].row;
    row_norms[index] = vec4(first, all.x, inverseSqrt(variance + 1e-6), f32(table_row));
  }
  workgroupBarrier();
}
