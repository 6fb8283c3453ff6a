// The lanes of tile.wgsl pass x to each other through workgroup memory.

// Four vec4s of each of the tile's rows, one row after the other.
fn load_tile(tile: u32, k4: u32, index: u32) {
  workgroupBarrier();
  let slice = index / 64u * TILE_K4 * ROWS;
  let lane = index % 64u;
  let row = lane / TILE_K4;
  let k = k4 + lane % TILE_K4;
  heap[slice + lane] = activation(tile, row, k);
  heap[slice + lane + 64u] = activation(tile, row + 16u, k);
  if (ROWS > 32u) {
    heap[slice + lane + 128u] = activation(tile, row + 32u, k);
    heap[slice + lane + 192u] = activation(tile, row + 48u, k);
  }
  workgroupBarrier();
}

// A vec4 of four rows.
fn tile_at(index: u32, row: u32, j: u32) -> mat4x4<f32> {
  let i = index / 64u * TILE_K4 * ROWS + row * TILE_K4 + j;
  return mat4x4(heap[i], heap[i + TILE_K4], heap[i + 2u * TILE_K4], heap[i + 3u * TILE_K4]);
}
