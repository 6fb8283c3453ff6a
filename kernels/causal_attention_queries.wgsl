// Joined after fragments: no_broadcast, causal_attention.
// The gradient of `causal_attention` for its queries: with p = exp(score - lse), dp = dy v and
// delta = sum(dy y) (kept for the keys' gradient), dq = sum over keys of p (dp - delta) k / 8.
// Scores are computed again. One lane per query of a head, or per PAIR.

@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;           // [R, d]
@group(0) @binding(4) var<storage, read> y: array<vec4<f32>>;            // [R, d]
@group(0) @binding(5) var<storage, read> sums: array<vec4<f32>>;         // [R, heads]: log of the sum
@group(0) @binding(6) var<storage, read_write> delta: array<vec4<f32>>;  // [R, heads]: log, delta
@group(0) @binding(7) var<storage, read_write> dqk: array<vec4<f32>>;    // [R, 2 d]

fn from_dy(i: u32) -> mat4x4<f32> {
  return mat4x4(dy[i], dy[i + 1u], dy[i + 2u], dy[i + 3u]);
}

fn from_y(i: u32) -> mat4x4<f32> { return mat4x4(y[i], y[i + 1u], y[i + 2u], y[i + 3u]); }

// The score's gradient for a query; none from a key that it does not see.
fn score_gradient(product: f32, dp: f32, s: u32, seen: Runs, frame: u32, of_query: vec2<f32>) -> f32 {
  if (!holds(seen, s)) { return 0.0; }
  var score = product;
  if (SLOPE) { score += params.slope * (time_at(s) - time_of(frame)); }
  return exp(score - of_query.x) * (dp - of_query.y) * 0.125;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let d = params.heads * 16u;
  let video = group.z / params.heads;
  let head_index = group.z % params.heads;
  let head = head_index * 16u;
  let token = token_at(video, first_token(group.x) + lane);
  let other = token_at(video, first_token(group.x) + lane + WG);
  let own = token.row * 2u * d + head;
  let q0 = from_qk(own) * 0.125; let q1 = from_qk(own + 4u) * 0.125;
  let q2 = from_qk(own + 8u) * 0.125; let q3 = from_qk(own + 12u) * 0.125;
  let at = token.row * d + head;
  let g0 = from_dy(at); let g1 = from_dy(at + 4u);
  let g2 = from_dy(at + 8u); let g3 = from_dy(at + 12u);
  // logarithm of the sum and delta, of both queries
  let of_token = vec2(
    sums[token.row * params.heads + head_index].x,
    product(g0, g1, g2, g3, from_y(at), from_y(at + 4u), from_y(at + 8u), from_y(at + 12u)),
  );
  var of_other = of_token;
  var e0 = q0; var e1 = q1; var e2 = q2; var e3 = q3;
  var h0 = g0; var h1 = g1; var h2 = g2; var h3 = g3;
  if (PAIR) {
    let its = other.row * 2u * d + head;
    e0 = from_qk(its) * 0.125; e1 = from_qk(its + 4u) * 0.125;
    e2 = from_qk(its + 8u) * 0.125; e3 = from_qk(its + 12u) * 0.125;
    let i = other.row * d + head;
    h0 = from_dy(i); h1 = from_dy(i + 4u); h2 = from_dy(i + 8u); h3 = from_dy(i + 12u);
    of_other = vec2(
      sums[other.row * params.heads + head_index].x,
      product(h0, h1, h2, h3, from_y(i), from_y(i + 4u), from_y(i + 8u), from_y(i + 12u)),
    );
  }
  var d0 = mat4x4<f32>(); var d1 = mat4x4<f32>(); var d2 = mat4x4<f32>(); var d3 = mat4x4<f32>();
  var u0 = mat4x4<f32>(); var u1 = mat4x4<f32>(); var u2 = mat4x4<f32>(); var u3 = mat4x4<f32>();
  let own_keys = keys_of(token.frame);
  let other_keys = keys_of(other.frame);
  let keys = keys_of_group(video, group.x);
  for (var s = from_token(0u, keys); s < keys.end; s = from_token(s + 1u, keys)) {
    let key = row_of(video, s);
    let k = key * 2u * d + d + head;
    var k0 = mat4x4<f32>(); var k1 = mat4x4<f32>();
    var k2 = mat4x4<f32>(); var k3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qk[k + lane]; let z = qk[k + 8u + lane];
      k0 = low(x); k1 = high(x); k2 = low(z); k3 = high(z);
    } else {
      k0 = from_qk(k); k1 = from_qk(k + 4u);
      k2 = from_qk(k + 8u); k3 = from_qk(k + 12u);
    }
    let v = key * 3u * d + 2u * d + head;
    var v0 = mat4x4<f32>(); var v1 = mat4x4<f32>();
    var v2 = mat4x4<f32>(); var v3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qkv[v + lane]; let z = qkv[v + 8u + lane];
      v0 = low(x); v1 = high(x); v2 = low(z); v3 = high(z);
    } else {
      v0 = from_qkv(v); v1 = from_qkv(v + 4u);
      v2 = from_qkv(v + 8u); v3 = from_qkv(v + 12u);
    }
    let score = product(q0, q1, q2, q3, k0, k1, k2, k3);
    let dp = product(g0, g1, g2, g3, v0, v1, v2, v3);
    let ds = score_gradient(score, dp, s, own_keys, token.frame, of_token);
    d0 += k0 * ds; d1 += k1 * ds; d2 += k2 * ds; d3 += k3 * ds;
    if (PAIR) {
      let score = product(e0, e1, e2, e3, k0, k1, k2, k3);
      let dp = product(h0, h1, h2, h3, v0, v1, v2, v3);
      let ds = score_gradient(score, dp, s, other_keys, other.frame, of_other);
      u0 += k0 * ds; u1 += k1 * ds; u2 += k2 * ds; u3 += k3 * ds;
    }
  }
  if (first_token(group.x) + lane == token.number) {
    delta[token.row * params.heads + head_index] = vec4(of_token, 0.0, 0.0);
    let to = token.row * 2u * d + head;
    write_out(to, d0); write_out(to + 4u, d1); write_out(to + 8u, d2); write_out(to + 12u, d3);
  }
  if (PAIR && first_token(group.x) + lane + WG == other.number) {
    delta[other.row * params.heads + head_index] = vec4(of_other, 0.0, 0.0);
    let to = other.row * 2u * d + head;
    write_out(to, u0); write_out(to + 4u, u1); write_out(to + 8u, u2); write_out(to + 12u, u3);
  }
}

fn write_out(i: u32, m: mat4x4<f32>) {
  dqk[i] = m[0]; dqk[i + 1u] = m[1]; dqk[i + 2u] = m[2]; dqk[i + 3u] = m[3];
}
