// The arithmetic of tile.wgsl in f16, for weights of half floats: a step's 16 products of a sum are
// added up in f16, which GPUs do two at a time, then to the sum in f32. Instead of weights.wgsl and
// floats.wgsl.
//
// Half floats end at 65504. x has been normalised, so that a row's squares add up to its length k, or
// is what a layer makes of such a row: if no weight is beyond 1, 16 products add up to 4 sqrt(k) at
// most, or to 16 k. A sum that is infinite all the same is found in the frame.

override F16: bool = true;   // as in weights.wgsl

// Four numbers of each of four columns or rows.
struct Words { a: vec4<f16>, b: vec4<f16>, c: vec4<f16>, d: vec4<f16>, }
alias Rows = Words;

struct Two { a: vec4<f16>, b: vec4<f16>, }

@group(0) @binding(2) var<storage, read> w: array<Two>;       // [N / 32, K, 32]

// `i` counts 16 bytes.
fn words(i: u32) -> Words {
  let a = w[i];
  let b = w[i + 8u];
  return Words(a.a, a.b, b.a, b.b);
}

// As `Column` of tile.wgsl, whose sums stay in f32.
struct HalfColumn { rows: array<array<vec4<f16>, 8>, ROWS / 8u>, padding: array<vec4<f16>, 8>, }

var<workgroup> half_heap: array<array<HalfColumn, TILE_K4>, SLICES>;

fn put_row(slice: u32, j: u32, i: u32, r: u32, x: vec4<f32>) {
  var v = x;
  if (!NORM) { v = clamp(x, vec4(-65504.0), vec4(65504.0)); }
  half_heap[slice][j].rows[i][r] = vec4<f16>(v);
}

fn rows_of(slice: u32, j: u32, r: u32, half: u32) -> Rows {
  return Rows(
    half_heap[slice][j].rows[4u * half][r], half_heap[slice][j].rows[4u * half + 1u][r],
    half_heap[slice][j].rows[4u * half + 2u][r], half_heap[slice][j].rows[4u * half + 3u][r],
  );
}

// sum + t x as a chain of multiply-adds.
fn chain(sum: vec4<f16>, t: Words, x: vec4<f16>) -> vec4<f16> {
  return t.d * x.w + (t.c * x.z + (t.b * x.y + (t.a * x.x + sum)));
}

fn add_product(s: Words, t: Words, x: Rows) -> Words {
  return Words(chain(s.a, t, x.a), chain(s.b, t, x.b), chain(s.c, t, x.c), chain(s.d, t, x.d));
}

struct StepSums { a: Words, b: Words, }

fn begin_sums(before: Sums) -> StepSums { return StepSums(); }

fn widened(sum: mat4x4<f32>, s: Words) -> mat4x4<f32> {
  return sum + mat4x4(vec4<f32>(s.a), vec4<f32>(s.b), vec4<f32>(s.c), vec4<f32>(s.d));
}

fn end_sums(before: Sums, s: StepSums) -> Sums {
  if (ROWS > 32u) { return Sums(widened(before.a, s.a), widened(before.b, s.b)); }
  return Sums(widened(before.a, s.a), before.b);
}

fn add_column(s: StepSums, t: Words, index: u32, j: u32) -> StepSums {
  let a = add_product(s.a, t, tile_at(index, 0u, j));
  if (ROWS > 32u) { return StepSums(a, add_product(s.b, t, tile_at(index, 1u, j))); }
  return StepSums(a, s.b);
}
