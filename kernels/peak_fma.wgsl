// y = sums of eight chains x -> x * a + b: what plain multiply-adds reach, with no memory in the
// way. One lane per vec4 of y; each of the LOOPS rounds has 32 vec4 multiply-adds.

override WG: u32 = 64u;

struct Params { count: u32, loops: u32, a: f32, b: f32, }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;  // [count]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.count) { return; }
  let a = params.a;
  let b = params.b;
  let x = y[id.x];
  var c0 = x;       var c1 = x + 1.0; var c2 = x + 2.0; var c3 = x + 3.0;
  var c4 = x + 4.0; var c5 = x + 5.0; var c6 = x + 6.0; var c7 = x + 7.0;
  for (var i = 0u; i < params.loops; i++) {
    c0 = c0 * a + b; c1 = c1 * a + b; c2 = c2 * a + b; c3 = c3 * a + b;
    c4 = c4 * a + b; c5 = c5 * a + b; c6 = c6 * a + b; c7 = c7 * a + b;
    c0 = c0 * a + b; c1 = c1 * a + b; c2 = c2 * a + b; c3 = c3 * a + b;
    c4 = c4 * a + b; c5 = c5 * a + b; c6 = c6 * a + b; c7 = c7 * a + b;
    c0 = c0 * a + b; c1 = c1 * a + b; c2 = c2 * a + b; c3 = c3 * a + b;
    c4 = c4 * a + b; c5 = c5 * a + b; c6 = c6 * a + b; c7 = c7 * a + b;
    c0 = c0 * a + b; c1 = c1 * a + b; c2 = c2 * a + b; c3 = c3 * a + b;
    c4 = c4 * a + b; c5 = c5 * a + b; c6 = c6 * a + b; c7 = c7 * a + b;
  }
  y[id.x] = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7;
}
