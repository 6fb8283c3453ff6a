// A matrix product y = x W on GPUs: 64 lanes compute ROWS rows by a block of 32 columns, each 4 or 8
// rows by 4 columns; BLOCKS of them share a tile of x. Weights come straight from memory, 128 bytes a
// k. Where the tiles alone leave a GPU idle, SLICES times as many lanes share the k of a tile.
//
// The kernel says what x and y are: `rows()`, `depth4()` vec4s of a row of x, `source_of(tile, row)`,
// a row to load from, `depth_at(k4)` and `next_depth(d)`, a place in all rows, `ask(source, depth)`,
// which loads, `activation(source, depth, asked)`, 0 beyond the last k, `begin(tile, index)`, called
// first, and `finish_tile(place, sums)`, called last. How lanes pass x on is in tile_memory.wgsl and
// tile_shuffle.wgsl: `begin_loads`, `load_tile`, `tile_at`; and how they multiply it by weights in
// floats.wgsl and halves.wgsl: `words`, `begin_sums`, `add_column`, `end_sums`.

override ROWS: u32 = 32u;       // or 64
override SLICES: u32 = 1u;
override BLOCKS: u32 = 1u;      // or 2
// So many workgroups share the k of a tile; what adds up their sums is another dispatch.
override SPLIT: u32 = 1u;
// Vec4s of k whose weights are asked for at once: 1 or 2, and these and x before those of the last
// step are used up, or all 4, but none across steps, which takes fewer registers.
override AHEAD: u32 = 2u;

const TILE_K4 = 4u;             // vec4s of a row of x at a time
const LANES = 64u * BLOCKS;     // of a slice

// A vec4 of each row of the tile, of the same k: rows[i][r] is row 8 i + r, and a lane's rows differ
// in i, so what eight neighbours read lies side by side. The padding moves the next k to other banks.
struct Column { rows: array<array<vec4<f32>, 8>, ROWS / 8u>, padding: array<vec4<f32>, 2>, }

const HEAPS = max(SLICES, select(1u, 2u * BLOCKS, SLICES > 1u));

// For each slice: of x, or sums on their way to another lane.
var<workgroup> heap: array<array<Column, TILE_K4>, HEAPS>;

// What a lane leaves for others, which is less than x takes: a vec4, or one of two with 64 rows.
fn leave(lane: u32, half: u32, value: vec4<f32>) {
  heap[lane / 128u][lane / 8u % 4u].rows[4u * half + lane % 128u / 32u][lane % 8u] = value;
}

fn left_by(lane: u32, half: u32) -> vec4<f32> {
  return heap[lane / 128u][lane / 8u % 4u].rows[4u * half + lane % 128u / 32u][lane % 8u];
}

// The sums of 32 rows at a time: half the lanes' take one place of a slice, the others' the next.
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

// Sums of a lane's rows: 0, 8, 16 and 24 from its first, then those 32 further.
struct Sums { a: mat4x4<f32>, b: mat4x4<f32>, }

// 16-byte units of the weights of four k of a block.
fn stride() -> u32 { return select(32u, 16u, F16); }

// Weights of AHEAD vec4s of k that are on their way. Those beyond the last k meet zeros.
struct Asked { a: Words, b: Words, }

fn ask_weights(i: u32) -> Asked {
  let a = words(i);
  if (AHEAD < 2u) { return Asked(a, a); }
  return Asked(a, words(i + stride()));
}

struct Step { sums: Sums, asked: Asked, }

// Unrolled by hand: compilers keep a loop, and wait for memory in each trip. The next weights are
// asked for before those that are there are used.
fn add_step(step: Step, i: u32, index: u32) -> Step {
  var s = begin_sums(step.sums);
  var next = step.asked;
  if (AHEAD == 4u) {
    let t = ask_weights(i);
    let u = ask_weights(i + 2u * stride());
    s = add_pair(add_pair(s, t, index, 0u), u, index, 2u);
  } else if (AHEAD == 2u) {
    let u = ask_weights(i + 2u * stride());
    s = add_pair(s, step.asked, index, 0u);
    next = ask_weights(i + 4u * stride());
    s = add_pair(s, u, index, 2u);
  } else {
    let t1 = words(i + stride());
    s = add_column(s, step.asked.a, index, 0u);
    let t2 = words(i + 2u * stride());
    s = add_column(s, t1, index, 1u);
    let t3 = words(i + 3u * stride());
    s = add_column(s, t2, index, 2u);
    let t4 = words(i + 4u * stride());
    s = add_column(s, t3, index, 3u);
    next = Asked(t4, t4);
  }
  return Step(end_sums(step.sums, s), next);
}

fn add_pair(s: StepSums, t: Asked, index: u32, j: u32) -> StepSums {
  return add_column(add_column(s, t.a, index, j), t.b, index, j + 1u);
}

// Where 64 lanes are: the rows and columns of their sums, their part and slice of k, and the lane among
// them.
struct Place { tile: u32, block: u32, part: u32, slice: u32, lane: u32, }

// Adds the slices' sums in a fixed order; the first has the result.
fn add_slices(sums: Sums, place: Place) -> Sums {
  var s = sums;
  let own = 64u * (place.block % BLOCKS) + place.lane;
  for (var other = SLICES - 1u; other > 0u; other--) {
    workgroupBarrier();
    if (place.slice == other) {
      put_sums(own, 0u, s.a);
      if (ROWS > 32u) { put_sums(own, 1u, s.b); }
    }
    workgroupBarrier();
    if (place.slice == 0u) {
      s.a += sums_at(own, 0u);
      if (ROWS > 32u) { s.b += sums_at(own, 1u); }
    }
  }
  return s;
}

// Computes a tile of BLOCKS blocks of columns, or a part of its k. Tiles of the same blocks are
// neighbours in the grid, so a small cache fetches their weights once.
fn product(tile: u32, blocks: u32, index: u32) {
  let slice = index / LANES;
  let block = blocks / SPLIT * BLOCKS + index % LANES / 64u;
  let place = Place(tile, block, blocks % SPLIT, slice, index % 64u);
  let k4s = depth4();
  let shares = SPLIT * SLICES * TILE_K4;
  let steps = (k4s + shares - 1u) / shares;
  begin(tile, index);
  let k4 = (place.part * SLICES + slice) * steps * TILE_K4;
  var i = (place.block * k4s + k4) * stride() + index % 8u;
  var loads = begin_loads(tile, k4, index);
  var s = Step(Sums(), ask_weights(i));
  for (var step = 0u; step < steps; step++) {
    loads = load_tile(loads, index);
    s = add_step(s, i, index);
    i += TILE_K4 * stride();
  }
  if (SLICES > 1u) { s.sums = add_slices(s.sums, place); }
  finish_tile(place, s.sums);
}
