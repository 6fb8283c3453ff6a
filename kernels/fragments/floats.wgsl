// The arithmetic of tile.wgsl in f32. (halves.wgsl is another.)

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [N / 32, K, 32]

fn packed(i: u32) -> vec4<u32> { return w[i]; }

// Four rows of x, of the same four k.
alias Rows = mat4x4<f32>;

// They lie where sums do.
fn put_row(slice: u32, j: u32, i: u32, r: u32, x: vec4<f32>) { heap[slice][j].rows[i][r] = x; }

fn rows_of(slice: u32, j: u32, r: u32, half: u32) -> Rows { return rows_at(slice, j, r, half); }

// sum + t x as a chain of multiply-adds.
fn chain(sum: vec4<f32>, t: mat4x4<f32>, x: vec4<f32>) -> vec4<f32> {
  return t[3] * x.w + (t[2] * x.z + (t[1] * x.y + (t[0] * x.x + sum)));
}

fn add_product(sum: mat4x4<f32>, t: mat4x4<f32>, x: Rows) -> mat4x4<f32> {
  return mat4x4(
    chain(sum[0], t, x[0]), chain(sum[1], t, x[1]), chain(sum[2], t, x[2]), chain(sum[3], t, x[3]),
  );
}

// A step's products are added to the sums at once.
alias StepSums = Sums;

fn begin_sums(before: Sums) -> StepSums { return before; }

fn end_sums(before: Sums, s: StepSums) -> Sums { return s; }

fn add_column(s: StepSums, asked: Words, index: u32, j: u32) -> StepSums {
  let t = unpacked(asked);
  let a = add_product(s.a, t, tile_at(index, 0u, j));
  if (ROWS > 32u) { return StepSums(a, add_product(s.b, t, tile_at(index, 1u, j))); }
  return StepSums(a, s.b);
}
