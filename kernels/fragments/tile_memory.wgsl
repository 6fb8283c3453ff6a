// The lanes of tile.wgsl pass x to each other through workgroup memory.

// A lane loads one of four vec4s of up to four rows; those of the next step are on their way while
// this one is multiplied, unless AHEAD is 4.
struct Loads {
  a: Source, b: Source, c: Source, d: Source,
  x: Loaded, y: Loaded, z: Loaded, w: Loaded,
  depth: Depth,
}

// Rows between those that a lane loads, and how many these are.
const ROWS_APART = 16u * BLOCKS;
const ROWS_OF_LANE = ROWS / ROWS_APART;

fn begin_loads(tile: u32, k4: u32, index: u32) -> Loads {
  let row = index % LANES / TILE_K4;
  var l = Loads();
  l.depth = depth_at(k4 + index % TILE_K4);
  l.a = source_of(tile, row);
  if (ROWS_OF_LANE > 1u) { l.b = source_of(tile, row + ROWS_APART); }
  if (ROWS_OF_LANE > 2u) {
    l.c = source_of(tile, row + 2u * ROWS_APART);
    l.d = source_of(tile, row + 3u * ROWS_APART);
  }
  return ask_rows(l);
}

fn ask_rows(loads: Loads) -> Loads {
  var l = loads;
  l.x = ask(l.a, l.depth);
  if (ROWS_OF_LANE > 1u) { l.y = ask(l.b, l.depth); }
  if (ROWS_OF_LANE > 2u) { l.z = ask(l.c, l.depth); l.w = ask(l.d, l.depth); }
  return l;
}

fn load_tile(loads: Loads, index: u32) -> Loads {
  var l = loads;
  if (AHEAD == 4u) { l = ask_rows(l); }
  workgroupBarrier();
  let slice = index / LANES;
  let j = index % TILE_K4;
  let i = index % LANES / 32u;
  let r = index / TILE_K4 % 8u;
  let apart = ROWS_APART / 8u;
  put_row(slice, j, i, r, activation(l.a, l.depth, l.x));
  if (ROWS_OF_LANE > 1u) { put_row(slice, j, i + apart, r, activation(l.b, l.depth, l.y)); }
  if (ROWS_OF_LANE > 2u) {
    put_row(slice, j, i + 2u * apart, r, activation(l.c, l.depth, l.z));
    put_row(slice, j, i + 3u * apart, r, activation(l.d, l.depth, l.w));
  }
  workgroupBarrier();
  l.depth = next_depth(l.depth);
  if (AHEAD < 4u) { l = ask_rows(l); }
  return l;
}

// The j-th vec4 of four of a lane's rows: its first ones or the others.
fn tile_at(index: u32, half: u32, j: u32) -> Rows {
  return rows_of(index / LANES, j, index % 64u / 8u, half);
}
