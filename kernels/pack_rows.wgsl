// Joined after fragments: pack_operand.
// A matrix into an image, as `matmul_broadcast` reads what it sums along the rows of: blocks of 32 rows,
// in each four numbers of all its rows, then the next four. A workgroup moves 8 vec4s of the rows of a
// block, a lane one of them. Rows up to the next multiple of four are zero: they may be steps of a sum.

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column4 = group.x * 8u + lane;
  if (column4 >= params.columns) { return; }
  let start = group.y * 32u;
  let end = min(start + 32u, (params.rows + 3u) / 4u * 4u);
  let to = (group.y * params.columns + column4) * 32u;
  for (var row = start; row < end; row++) {
    let at = params.first + min(row, params.rows - 1u) * params.stride + column4;
    let v = select(vec4(0.0), x[at], row < params.rows);
    let i = to + row - start;
    put(i, v);
  }
}
