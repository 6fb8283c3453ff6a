// Joined after fragments: pack_operand.
// A matrix into an image, as `matmul_broadcast` reads what it sums down the columns of: blocks of 32
// columns, and in each block row after row. A workgroup moves 32 rows of a block, a lane four of its
// columns.

override FROM_ROWS: bool = false;   // x is packed by `pack_rows`, else row after row

fn place_in_x(row: u32, column4: u32) -> u32 {
  if (FROM_ROWS) { return (row / 32u * params.columns + column4) * 32u + row % 32u; }
  return params.first + row * params.stride + column4;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column4 = group.x * 8u + lane;
  if (column4 >= params.columns) { return; }
  let start = group.y * 32u;
  for (var row = start; row < min(start + 32u, params.rows); row++) {
    let i = (group.x * params.rows + row) * 8u + lane;
    put(i, x[place_in_x(row, column4)]);
  }
}
