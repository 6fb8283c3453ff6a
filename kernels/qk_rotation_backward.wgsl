// Joined after fragments: qk_rotation, qk_weights, lane.
// The gradient of `qk_rotation`: dqk, of rotated queries and keys, becomes that of x, the first two
// thirds of dqkv. With u = w n, n = x / rms(x) and g = w (dqk rotated back),
// dx = (g - n mean(g n)) / rms(x). One lane per row and head, and per one of q and k.

@group(0) @binding(5) var<storage, read> dqk: array<vec4<f32>>;         // [R, 2 d]
@group(0) @binding(6) var<storage, read_write> dqkv: array<vec4<f32>>;  // [R, 3 d]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  let d = params.heads * 16u;
  if (id >= params.rows * params.heads * 2u) { return; }
  let which = id % 2u;
  let head = id / 2u % params.heads;
  let row = id / 2u / params.heads;
  let at = (params.first + row) * 3u * d + which * d + head * 16u;
  let from_rotated = (params.first + row) * 2u * d + which * d + head * 16u;
  let inverse = inverse_rms(at);
  let angles = angles_of(row);
  var sum = vec4(0.0);
  for (var j = 0u; j < 16u; j++) {
    sum += rotate_back(dqk[from_rotated + j], angle(j, angles)) * weight(which, j) * qkv[at + j];
  }
  let mean = dot(sum, vec4(1.0)) * inverse / 64.0;
  for (var j = 0u; j < 16u; j++) {
    let g = rotate_back(dqk[from_rotated + j], angle(j, angles)) * weight(which, j);
    dqkv[at + j] = (g - qkv[at + j] * inverse * mean) * inverse;
  }
}
