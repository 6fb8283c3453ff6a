// Joined after fragments: no_broadcast, causal_attention.
// The gradient of `causal_attention` for its keys and values: with p = exp(score - lse) and
// ds = p (dp - delta) / 8, dv = sum over queries of p dy and dk = sum of ds q. A key is seen by its own
// frame and the later ones. One lane per key of a head; its lanes read the same query at a time.

@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;           // [R, d]
@group(0) @binding(4) var<storage, read> delta: array<vec4<f32>>;        // [R, heads]: log, delta
@group(0) @binding(5) var<storage, read_write> dqk: array<vec4<f32>>;    // [R, 2 d]
@group(0) @binding(6) var<storage, read_write> dqkv: array<vec4<f32>>;   // [R, 3 d]

fn from_dy(i: u32) -> mat4x4<f32> {
  return mat4x4(dy[i], dy[i + 1u], dy[i + 2u], dy[i + 3u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let d = params.heads * 16u;
  let video = group.z / params.heads;
  let head_index = group.z % params.heads;
  let head = head_index * 16u;
  let frame = params.first_frame + group.y;
  let token = group.x * WG + lane;
  let start = start_of(frame);
  let row = row_of(video, start + min(token, params.tokens - 1u));
  let own = row * 2u * d + d + head;
  let k0 = from_qk(own) * 0.125; let k1 = from_qk(own + 4u) * 0.125;
  let k2 = from_qk(own + 8u) * 0.125; let k3 = from_qk(own + 12u) * 0.125;
  let at = row * 3u * d + 2u * d + head;
  let v0 = from_qkv(at); let v1 = from_qkv(at + 4u);
  let v2 = from_qkv(at + 8u); let v3 = from_qkv(at + 12u);
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  let end = start_of(params.context_frames + params.window_frames);
  for (var s = start; s < end; s++) {
    let other = row_of(video, s);
    let q = other * 2u * d + head;
    var q0 = mat4x4<f32>(); var q1 = mat4x4<f32>();
    var q2 = mat4x4<f32>(); var q3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qk[q + lane]; let y = qk[q + 8u + lane];
      q0 = low(x); q1 = high(x); q2 = low(y); q3 = high(y);
    } else {
      q0 = from_qk(q); q1 = from_qk(q + 4u);
      q2 = from_qk(q + 8u); q3 = from_qk(q + 12u);
    }
    var score = dots(q0, k0) + dots(q1, k1) + dots(q2, k2) + dots(q3, k3);
    if (SLOPE) { score += params.slope * (f32(frame) - frame_at(s)); }
    let of_query = delta[other * params.heads + head_index];
    let p = exp(score - of_query.x);
    let g = other * d + head;
    var g0 = mat4x4<f32>(); var g1 = mat4x4<f32>();
    var g2 = mat4x4<f32>(); var g3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = dy[g + lane]; let y = dy[g + 8u + lane];
      g0 = low(x); g1 = high(x); g2 = low(y); g3 = high(y);
    } else {
      g0 = from_dy(g); g1 = from_dy(g + 4u);
      g2 = from_dy(g + 8u); g3 = from_dy(g + 12u);
    }
    let dp = dots(g0, v0) + dots(g1, v1) + dots(g2, v2) + dots(g3, v3);
    let ds = p * (dp - of_query.y) * 0.125;
    a0 += q0 * ds; a1 += q1 * ds; a2 += q2 * ds; a3 += q3 * ds;
    b0 += g0 * p; b1 += g1 * p; b2 += g2 * p; b3 += g3 * p;
  }
  if (token >= params.tokens) { return; }
  let to = row * 2u * d + d + head;
  put_key(to, a0); put_key(to + 4u, a1); put_key(to + 8u, a2); put_key(to + 12u, a3);
  put_value(at, b0); put_value(at + 4u, b1); put_value(at + 8u, b2); put_value(at + 12u, b3);
}

fn put_key(i: u32, m: mat4x4<f32>) {
  dqk[i] = m[0]; dqk[i + 1u] = m[1]; dqk[i + 2u] = m[2]; dqk[i + 3u] = m[3];
}

fn put_value(i: u32, m: mat4x4<f32>) {
  dqkv[i] = m[0]; dqkv[i + 1u] = m[1]; dqkv[i + 2u] = m[2]; dqkv[i + 3u] = m[3];
}
