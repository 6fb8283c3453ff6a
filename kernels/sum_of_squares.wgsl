// Joined after fragments: lane.
// partial[chunk] = the sum of the squares of a chunk of x: first pass of the norm of all gradients.
// One lane per chunk.

struct Params {
  count: u32,      // vec4s of x
  chunk: u32,      // and of a chunk
  first: u32,      // where results start in `partial`
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  let start = id * params.chunk;
  if (start >= params.count) { return; }
  var sum = 0.0;
  for (var i = start; i < min(start + params.chunk, params.count); i++) {
    let v = x[i];
    sum += dot(v, v);
  }
  partial[params.first + id] = sum;
}
