// The lanes of tile.wgsl pass x to each other within a subgroup: the eight lanes of the same rows
// load these together, without barriers or workgroup memory.

// First of the eight lanes, and what this one holds: vec4s of its row of each four.
var<private> eight: u32;
var<private> held: array<vec4<f32>, 4>;

// Lane c of eight loads of the c / 2-th row of four: the first two lanes of a row its even vec4s and
// its odd ones. Those of the next step are on their way while this one is multiplied,
// unless AHEAD is 4.
struct Loads {
  a: Source, b: Source, depth: Depth, next: Depth,
  x: Loaded, y: Loaded, z: Loaded, w: Loaded,
}

fn begin_loads(tile: u32, k4: u32, index: u32) -> Loads {
  let row = index % 64u / 8u + index % 8u / 2u * 8u;
  let k = k4 + index % 2u;
  var l = Loads();
  l.depth = depth_at(k);
  l.next = depth_at(k + 2u);
  l.a = source_of(tile, row);
  if (ROWS > 32u) { l.b = source_of(tile, row + 32u); }
  return ask_rows(l);
}

fn ask_rows(loads: Loads) -> Loads {
  var l = loads;
  l.x = ask(l.a, l.depth);
  l.y = ask(l.a, l.next);
  if (ROWS > 32u) { l.z = ask(l.b, l.depth); l.w = ask(l.b, l.next); }
  return l;
}

fn load_tile(loads: Loads, index: u32) -> Loads {
  var l = loads;
  if (AHEAD == 4u) { l = ask_rows(l); }
  held[0] = activation(l.a, l.depth, l.x);
  held[1] = activation(l.a, l.next, l.y);
  if (ROWS > 32u) {
    held[2] = activation(l.b, l.depth, l.z);
    held[3] = activation(l.b, l.next, l.w);
  }
  l.depth = next_depth(l.depth);
  l.next = next_depth(l.next);
  if (AHEAD < 4u) { l = ask_rows(l); }
  return l;
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
