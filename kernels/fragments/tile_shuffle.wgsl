// The lanes of tile.wgsl pass x to each other within a subgroup: the eight lanes of the same rows
// load these together, without barriers or workgroup memory.

// First of the eight lanes, and what this one holds: vec4s of its row of each four.
var<private> eight: u32;
var<private> held: array<vec4<f32>, 4>;

// Lane c of eight loads of the c / 2-th row of four: the first two lanes of a row its even vec4s and
// its odd ones.
struct Loads { a: Source, b: Source, depth: Depth, next: Depth, }

fn begin_loads(tile: u32, k4: u32, index: u32) -> Loads {
  let row = index % 64u / 8u + index % 8u / 2u * 8u;
  let a = source_of(tile, row);
  let k = k4 + index % 2u;
  if (ROWS == 32u) { return Loads(a, a, depth_at(k), depth_at(k + 2u)); }
  return Loads(a, source_of(tile, row + 32u), depth_at(k), depth_at(k + 2u));
}

fn load_tile(l: Loads, index: u32) -> Loads {
  held[0] = activation(l.a, l.depth);
  held[1] = activation(l.a, l.next);
  if (ROWS > 32u) {
    held[2] = activation(l.b, l.depth);
    held[3] = activation(l.b, l.next);
  }
  return Loads(l.a, l.b, next_depth(l.depth), next_depth(l.next));
}

// The j-th vec4 of four of a lane's rows: its first ones or the others.
fn tile_at(index: u32, half: u32, j: u32) -> mat4x4<f32> {
  var v = held[0];
  if (half == 0u && j > 1u) { v = held[1]; }
  if (half == 1u && j < 2u) { v = held[2]; }
  if (half == 1u && j > 1u) { v = held[3]; }
  let from_lane = eight + j % 2u;
  return mat4x4(
    subgroupShuffle(v, from_lane), subgroupShuffle(v, from_lane + 2u),
    subgroupShuffle(v, from_lane + 4u), subgroupShuffle(v, from_lane + 6u),
  );
}
