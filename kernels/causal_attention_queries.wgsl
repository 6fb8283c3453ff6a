// Joined after fragments: no_broadcast, causal_attention.
// The gradient of `causal_attention` for its queries: with p = exp(score - lse), dp = dy v and
// delta = sum(dy y) (kept for the keys' gradient), dq = sum over keys of p (dp - delta) k / 8.
// Scores are computed again. One lane per query of a head.

@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;           // [R, d]
@group(0) @binding(4) var<storage, read> y: array<vec4<f32>>;            // [R, d]
@group(0) @binding(5) var<storage, read> sums: array<vec4<f32>>;         // [R, heads]: log of the sum
@group(0) @binding(6) var<storage, read_write> delta: array<vec4<f32>>;  // [R, heads]: log, delta
@group(0) @binding(7) var<storage, read_write> dqk: array<vec4<f32>>;    // [R, 2 d]

fn from_dy(i: u32) -> mat4x4<f32> {
  return mat4x4(dy[i], dy[i + 1u], dy[i + 2u], dy[i + 3u]);
}

fn from_y(i: u32) -> mat4x4<f32> { return mat4x4(y[i], y[i + 1u], y[i + 2u], y[i + 3u]); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let d = params.heads * 16u;
  let video = group.z / params.heads;
  let head_index = group.z % params.heads;
  let head = head_index * 16u;
  let frame = params.first_frame + group.y;
  let token = group.x * WG + lane;
  let row = row_of(video, start_of(frame) + min(token, params.tokens - 1u));
  let own = row * 2u * d + head;
  let q0 = from_qk(own) * 0.125; let q1 = from_qk(own + 4u) * 0.125;
  let q2 = from_qk(own + 8u) * 0.125; let q3 = from_qk(own + 12u) * 0.125;
  let at = row * d + head;
  let g0 = from_dy(at); let g1 = from_dy(at + 4u);
  let g2 = from_dy(at + 8u); let g3 = from_dy(at + 12u);
  let own_delta = dots(g0, from_y(at)) + dots(g1, from_y(at + 4u)) +
    dots(g2, from_y(at + 8u)) + dots(g3, from_y(at + 12u));
  let own_lse = sums[row * params.heads + head_index].x;
  var d0 = mat4x4<f32>(); var d1 = mat4x4<f32>(); var d2 = mat4x4<f32>(); var d3 = mat4x4<f32>();
  let end = start_of(frame + 1u);
  for (var s = 0u; s < end; s++) {
    let other = row_of(video, s);
    let k = other * 2u * d + d + head;
    var k0 = mat4x4<f32>(); var k1 = mat4x4<f32>();
    var k2 = mat4x4<f32>(); var k3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qk[k + lane]; let z = qk[k + 8u + lane];
      k0 = low(x); k1 = high(x); k2 = low(z); k3 = high(z);
    } else {
      k0 = from_qk(k); k1 = from_qk(k + 4u);
      k2 = from_qk(k + 8u); k3 = from_qk(k + 12u);
    }
    var score = dots(q0, k0) + dots(q1, k1) + dots(q2, k2) + dots(q3, k3);
    if (SLOPE) { score += params.slope * (frame_at(s) - f32(frame)); }
    let v = other * 3u * d + 2u * d + head;
    var v0 = mat4x4<f32>(); var v1 = mat4x4<f32>();
    var v2 = mat4x4<f32>(); var v3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qkv[v + lane]; let z = qkv[v + 8u + lane];
      v0 = low(x); v1 = high(x); v2 = low(z); v3 = high(z);
    } else {
      v0 = from_qkv(v); v1 = from_qkv(v + 4u);
      v2 = from_qkv(v + 8u); v3 = from_qkv(v + 12u);
    }
    let dp = dots(g0, v0) + dots(g1, v1) + dots(g2, v2) + dots(g3, v3);
    let ds = exp(score - own_lse) * (dp - own_delta) * 0.125;
    d0 += k0 * ds; d1 += k1 * ds; d2 += k2 * ds; d3 += k3 * ds;
  }
  if (token >= params.tokens) { return; }
  delta[row * params.heads + head_index] = vec4(own_lse, own_delta, 0.0, 0.0);
  let to = row * 2u * d + head;
  write_out(to, d0); write_out(to + 4u, d1); write_out(to + 8u, d2); write_out(to + 12u, d3);
}

fn write_out(i: u32, m: mat4x4<f32>) {
  dqk[i] = m[0]; dqk[i + 1u] = m[1]; dqk[i + 2u] = m[2]; dqk[i + 3u] = m[3];
}
