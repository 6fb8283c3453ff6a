// Joined after fragments: qk_rotation.
// The gradients of the weights of `qk_rotation`'s norms, sums of (dqk rotated back) x / rms(x): over
// ITEMS rows of a head here, and the rest by `add_sums`. One lane per vec4 of a head, ITEMS rows, and
// one of q and k.

const ITEMS = 16u;

@group(0) @binding(5) var<storage, read> dqk: array<vec4<f32>>;              // [R, 2 d]
@group(0) @binding(6) var<storage, read_write> q_partial: array<vec4<f32>>;  // [chunks, 64]
@group(0) @binding(7) var<storage, read_write> k_partial: array<vec4<f32>>;  // [chunks, 64]

var<workgroup> inverses: array<f32, 16>;

// A workgroup of 16 lanes: each first finds 1 / rms of one row.
@compute @workgroup_size(16)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) j: u32,
) {
  let id = group.y * groups.x + group.x;
  let d = params.heads * 16u;
  let chunks = (params.rows + ITEMS - 1u) / ITEMS * params.heads;
  let which = id / chunks;
  let chunk = id % chunks;
  let head = chunk % params.heads;
  let start = chunk / params.heads * ITEMS;
  let last = params.rows - 1u;
  let own = params.first + min(start + j, last);
  inverses[j] = inverse_rms(own * 3u * d + min(which, 1u) * d + head * 16u);
  workgroupBarrier();
  if (which > 1u) { return; }
  var dw = vec4(0.0);
  for (var row = start; row < min(start + ITEMS, params.rows); row++) {
    let at = (params.first + row) * 3u * d + which * d + head * 16u + j;
    let rotated = dqk[(params.first + row) * 2u * d + which * d + head * 16u + j];
    dw += rotate_back(rotated, angle(j, angles_of(row))) * qkv[at] * inverses[row - start];
  }
  if (which == 0u) { q_partial[chunk * 16u + j] = dw; }
  else { k_partial[chunk * 16u + j] = dw; }
}
