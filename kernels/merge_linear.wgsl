// Joined after fragments: frame, linear, lane.
// Ends a `linear` whose k several workgroups shared: adds up their sums, always in the same order.

override SPLIT: u32 = 4u;

@group(0) @binding(2) var<storage, read> parts: array<vec4<f32>>;   // [SPLIT, M, N4]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let n4s = (params.n + 3u) / 4u;
  let count = params.m * n4s;
  let i = item_of(lane, 64u);
  if (i >= count) { return; }
  var sum = parts[i];
  for (var part = 1u; part < SPLIT; part++) { sum += parts[part * count + i]; }
  write_out(i / n4s, i % n4s, sum);
}
