// Joined after fragments: qk_rotation, lane.
// The gradient of `qk_rotation`, in place: dqkv's queries and keys, which are the gradients of rotated
// ones, become those of x. With u = w n, n = x / rms(x) and g = w (dy rotated back),
// dx = (g - n mean(g n)) / rms(x). The weights' gradients, sums of (dy rotated back) n, are summed
// over ITEMS rows of a head here and the rest by `add_sums`. One lane per ITEMS rows of a head, and per one of q and k.

const ITEMS = 16u;

@group(0) @binding(5) var<storage, read_write> dqkv: array<vec4<f32>>;  // [R, 3 d]
@group(0) @binding(6) var<storage, read_write> q_partial: array<vec4<f32>>;  // [chunks, 64]
@group(0) @binding(7) var<storage, read_write> k_partial: array<vec4<f32>>;  // [chunks, 64]

// Rotates by the negative angle.
fn rotate_back(x: vec4<f32>, angle: vec4<f32>) -> vec4<f32> {
  return vec4(
    x.x * angle.x + x.y * angle.y, x.y * angle.x - x.x * angle.y,
    x.z * angle.z + x.w * angle.w, x.w * angle.z - x.z * angle.w,
  );
}

fn weight(which: u32, j: u32) -> vec4<f32> {
  if (which == 0u) { return q_weights[params.q_weight + j]; }
  return k_weights[params.k_weight + j];
}

@compute @workgroup_size(8)
fn main(lane: Lane) {
  let id = item_of(lane, 8u);
  let d = params.heads * 16u;
  let chunks = (params.rows + ITEMS - 1u) / ITEMS * params.heads;
  if (id >= chunks * 2u) { return; }
  let which = id / chunks;
  let chunk = id % chunks;
  let head = chunk % params.heads;
  let start = chunk / params.heads * ITEMS;
  var dw: array<vec4<f32>, 16>;
  for (var row = start; row < min(start + ITEMS, params.rows); row++) {
    let at = (params.first + row) * 3u * d + which * d + head * 16u;
    var squares = 0.0;
    for (var j = 0u; j < 16u; j++) { squares += dot(qkv[at + j], qkv[at + j]); }
    let inverse = 1.0 / sqrt(squares / 64.0 + 1e-6);
    var sum = 0.0;
    for (var j = 0u; j < 16u; j++) {
      let n = qkv[at + j] * inverse;
      let back = rotate_back(dqkv[at + j], angle(j, row));
      dw[j] += back * n;
      sum += dot(back * weight(which, j), n);
      dqkv[at + j] = back;
    }
    sum /= 64.0;
    for (var j = 0u; j < 16u; j++) {
      let n = qkv[at + j] * inverse;
      dqkv[at + j] = (dqkv[at + j] * weight(which, j) - n * sum) * inverse;
    }
  }
  for (var j = 0u; j < 16u; j++) {
    if (which == 0u) { q_partial[chunk * 16u + j] = dw[j]; }
    else { k_partial[chunk * 16u + j] = dw[j]; }
  }
}
