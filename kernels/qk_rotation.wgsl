// Joined after fragments: qk_rotation, qk_weights, lane.
// qk = rope(w x / rms(x)) of each head's query and key, [R, 3 d] to [R, 2 d], for training: q is not
// scaled. One lane per row and head, and per one of q and k.

@group(0) @binding(5) var<storage, read_write> qk: array<vec4<f32>>;  // [R, 2 d]

fn rotate(x: vec4<f32>, angle: vec4<f32>) -> vec4<f32> {
  return vec4(
    x.x * angle.x - x.y * angle.y, x.y * angle.x + x.x * angle.y,
    x.z * angle.z - x.w * angle.w, x.w * angle.z + x.z * angle.w,
  );
}

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  let d = params.heads * 16u;
  if (id >= params.rows * params.heads * 2u) { return; }
  let which = id % 2u;
  let head = id / 2u % params.heads;
  let row = id / 2u / params.heads;
  let source = (params.first + row) * 3u * d + which * d + head * 16u;
  let target_at = (params.first + row) * 2u * d + which * d + head * 16u;
  let inverse = inverse_rms(source);
  let angles = angles_of(row);
  for (var j = 0u; j < 16u; j++) {
    qk[target_at + j] = rotate(qkv[source + j] * inverse * weight(which, j), angle(j, angles));
  }
}
