// The lanes of tile.wgsl pass x to each other within a subgroup: the eight lanes of the same rows
// load these together, without barriers or workgroup memory.

// First of the eight lanes, and what this one holds: vec4s of its row of each four.
var<private> eight: u32;
var<private> held: array<vec4<f32>, 4>;

// Lane c of eight loads row c / 2: the first two lanes of a row its even vec4s and its odd ones.
fn load_tile(tile: u32, k4: u32, index: u32) {
  let row = index % 64u / 8u * (ROWS / 8u) + index % 8u / 2u;
  let k = k4 + index % 2u;
  held[0] = activation(tile, row, k);
  held[1] = activation(tile, row, k + 2u);
  if (ROWS > 32u) {
    held[2] = activation(tile, row + 4u, k);
    held[3] = activation(tile, row + 4u, k + 2u);
  }
}

// A vec4 of four rows.
fn tile_at(index: u32, row: u32, j: u32) -> mat4x4<f32> {
  let second = ROWS > 32u && row % 8u > 3u;
  let even = select(held[0], held[2], second);
  let odd = select(held[1], held[3], second);
  let v = select(even, odd, j > 1u);
  let from_lane = eight + j % 2u;
  return mat4x4(
    subgroupShuffle(v, from_lane), subgroupShuffle(v, from_lane + 2u),
    subgroupShuffle(v, from_lane + 4u), subgroupShuffle(v, from_lane + 6u),
  );
}
