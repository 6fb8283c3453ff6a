// Joined after fragments: lane.
// y = act(x), or with BACKWARD y *= act'(x). GELU is the tanh form. One lane per vec4.

override KIND: u32 = 0u;          // 0 SiLU, 1 GELU, 2 ReLU, 3 leaky ReLU
override BACKWARD: bool = false;

struct Params { count: u32, }     // vec4s

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

// Both are x sigmoid(u): GELU's (1 + tanh(u / 2)) / 2 is sigmoid(u).
@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let v = x[id];
  if (KIND >= 2u) {
    let leak = select(0.0, 0.2, KIND == 3u);
    let kept = select(vec4(leak), vec4(1.0), v > vec4(0.0));
    if (BACKWARD) { y[id] *= kept; } else { y[id] = v * kept; }
    return;
  }
  var u = v;
  var slope = vec4(1.0);          // of u
  if (KIND == 1u) {
    u = 1.5957691216057308 * (v + 0.044715 * v * v * v);
    slope = 1.5957691216057308 * (1.0 + 0.134145 * v * v);
  }
  let s = 1.0 / (1.0 + exp(-u));
  if (BACKWARD) { y[id] *= s + v * s * (1.0 - s) * slope; } else { y[id] = v * s; }
}
