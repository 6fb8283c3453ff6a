// The lanes of tile.wgsl pass x to each other through workgroup memory.

// A lane loads one of four vec4s of two rows, or of four.
struct Loads { a: Source, b: Source, c: Source, d: Source, depth: Depth, }

fn begin_loads(tile: u32, k4: u32, index: u32) -> Loads {
  let row = index % 64u / TILE_K4;
  let a = source_of(tile, row);
  let b = source_of(tile, row + 16u);
  let depth = depth_at(k4 + index % TILE_K4);
  if (ROWS == 32u) { return Loads(a, b, a, b, depth); }
  return Loads(a, b, source_of(tile, row + 32u), source_of(tile, row + 48u), depth);
}

fn load_tile(l: Loads, index: u32) -> Loads {
  workgroupBarrier();
  let slice = index / 64u;
  let j = index % TILE_K4;
  let i = index % 64u / 32u;
  let r = index / TILE_K4 % 8u;
  heap[slice][j].rows[i][r] = activation(l.a, l.depth);
  heap[slice][j].rows[i + 2u][r] = activation(l.b, l.depth);
  if (ROWS > 32u) {
    heap[slice][j].rows[i + 4u][r] = activation(l.c, l.depth);
    heap[slice][j].rows[i + 6u][r] = activation(l.d, l.depth);
  }
  workgroupBarrier();
  return Loads(l.a, l.b, l.c, l.d, next_depth(l.depth));
}

// The j-th vec4 of four of a lane's rows: its first ones or the others.
fn tile_at(index: u32, half: u32, j: u32) -> mat4x4<f32> {
  return rows_at(index / 64u, j, index % 64u / 8u, half);
}
