// qk = rope(w x / rms(x)) of each head's query and key, [R, 3 d] to [R, 2 d], for training: q is not
// scaled. One lane per row and head, and per one of q and k.

struct Params {
  rows: u32,         // rows of this kind of tokens
  first: u32,        // and the first of them
  heads: u32,
  tokens: u32,       // per frame
  frames: u32,       // per video
  first_frame: u32,  // position of a video's first frame
  columns: u32,      // tokens per row of a frame
  spread: u32,       // row and column positions are multiplied by this (context patches)
  time_pairs: u32,   // vec4s of the head rotated by the frame, two pairs each
  row_pairs: u32,
  time: u32,         // where the frames' angles start in `rope`, in vec4s
  q_weight: u32,     // where the weights start, in vec4s
  k_weight: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;       // [R, 3 d]
@group(0) @binding(2) var<storage, read> q_weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> k_weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> rope: array<vec4<f32>>;      // (cos, sin): space, then time
@group(0) @binding(5) var<storage, read_write> qk: array<vec4<f32>>;  // [R, 2 d]

fn rotate(x: vec4<f32>, angle: vec4<f32>) -> vec4<f32> {
  return vec4(
    x.x * angle.x - x.y * angle.y, x.y * angle.x + x.x * angle.y,
    x.z * angle.z - x.w * angle.w, x.w * angle.z + x.z * angle.w,
  );
}

// cos and sin for the i-th vec4 of a head: frame first, then row, then column.
fn angle(i: u32, row: u32) -> vec4<f32> {
  let token = row % params.tokens;
  if (i < params.time_pairs) {
    let frame = params.first_frame + row / params.tokens % params.frames;
    return rope[params.time + frame * params.time_pairs + i];
  }
  let along_rows = i < params.time_pairs + params.row_pairs;
  let place = select(token % params.columns, token / params.columns, along_rows);
  return rope[place * params.spread * (16u - params.time_pairs) + i - params.time_pairs];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = (group.y * groups.x + group.x) * 64u + lane;
  let d = params.heads * 16u;
  if (id >= params.rows * params.heads * 2u) { return; }
  let which = id % 2u;
  let head = id / 2u % params.heads;
  let row = id / 2u / params.heads;
  let source = (params.first + row) * 3u * d + which * d + head * 16u;
  let target_at = (params.first + row) * 2u * d + which * d + head * 16u;
  var sum = 0.0;
  for (var j = 0u; j < 16u; j++) { sum += dot(qkv[source + j], qkv[source + j]); }
  let inverse = 1.0 / sqrt(sum / 64.0 + 1e-6);
  for (var j = 0u; j < 16u; j++) {
    var w = vec4(0.0);
    if (which == 0u) { w = q_weights[params.q_weight + j]; }
    else { w = k_weights[params.k_weight + j]; }
    qk[target_at + j] = rotate(qkv[source + j] * inverse * w, angle(j, row));
  }
}
