// What tile.wgsl does with its sums in `linear` and `conv2d`: each is for a `write_out(row, column4,
// sum)` of the kernel. Those of a part of k are left for another dispatch, [SPLIT, M, N4].

fn write_inside(part: u32, row: u32, column4: u32, sum: vec4<f32>) {
  if (row >= rows() || column4 * 4u >= params.n) { return; }
  if (SPLIT > 1u) {
    y[(part * rows() + row) * ((params.n + 3u) / 4u) + column4] = sum;
  } else {
    write_out(row, column4, sum);
  }
}

fn write_rows(part: u32, row: u32, column4: u32, a: mat4x4<f32>) {
  write_inside(part, row, column4, a[0]); write_inside(part, row + 8u, column4, a[1]);
  write_inside(part, row + 16u, column4, a[2]); write_inside(part, row + 24u, column4, a[3]);
}

fn finish_tile(p: Place, s: Sums) {
  if (p.slice > 0u) { return; }
  let first = p.tile * ROWS + p.lane / 8u;
  let column4 = p.block * 8u + p.lane % 8u;
  write_rows(p.part, first, column4, s.a);
  if (ROWS > 32u) { write_rows(p.part, first + 32u, column4, s.b); }
}
