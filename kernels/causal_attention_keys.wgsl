// Joined after fragments: no_broadcast, causal_attention.
// The gradient of `causal_attention` for its keys and values: with p = exp(score - lse) and
// ds = p (dp - delta) / 8, dv = sum over queries of p dy and dk = sum of ds q. A key is seen by its own
// frame and the later ones. One lane per key of a head, or per PAIR; its lanes read the same query at a
// time.

@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;           // [R, d]
@group(0) @binding(4) var<storage, read> delta: array<vec4<f32>>;        // [R, heads]: log, delta
@group(0) @binding(5) var<storage, read_write> dqk: array<vec4<f32>>;    // [R, 2 d]
@group(0) @binding(6) var<storage, read_write> dqkv: array<vec4<f32>>;   // [R, 3 d]

fn from_dy(i: u32) -> mat4x4<f32> {
  return mat4x4(dy[i], dy[i + 1u], dy[i + 2u], dy[i + 3u]);
}

// The probability of a key for the `s`-th query of the sequence; none if that does not see it.
fn probability(product: f32, s: u32, seers: Runs, frame: u32, log_sum: f32) -> f32 {
  if (!holds(seers, s)) { return 0.0; }
  var score = product;
  if (SLOPE) { score += params.slope * (time_of(frame) - time_at(s)); }
  return exp(score - log_sum);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let d = params.heads * 16u;
  let video = group.z / params.heads;
  let head_index = group.z % params.heads;
  let head = head_index * 16u;
  let first = token_at(video, first_token(group.x));
  let token = token_at(video, first.number + lane);
  let other = token_at(video, first.number + lane + WG);
  let own = token.row * 2u * d + d + head;
  let k0 = from_qk(own) * 0.125; let k1 = from_qk(own + 4u) * 0.125;
  let k2 = from_qk(own + 8u) * 0.125; let k3 = from_qk(own + 12u) * 0.125;
  let at = token.row * 3u * d + 2u * d + head;
  let v0 = from_qkv(at); let v1 = from_qkv(at + 4u);
  let v2 = from_qkv(at + 8u); let v3 = from_qkv(at + 12u);
  let other_own = other.row * 2u * d + d + head;
  let other_at = other.row * 3u * d + 2u * d + head;
  var e0 = k0; var e1 = k1; var e2 = k2; var e3 = k3;
  var h0 = v0; var h1 = v1; var h2 = v2; var h3 = v3;
  if (PAIR) {
    e0 = from_qk(other_own) * 0.125; e1 = from_qk(other_own + 4u) * 0.125;
    e2 = from_qk(other_own + 8u) * 0.125; e3 = from_qk(other_own + 12u) * 0.125;
    h0 = from_qkv(other_at); h1 = from_qkv(other_at + 4u);
    h2 = from_qkv(other_at + 8u); h3 = from_qkv(other_at + 12u);
  }
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var t0 = mat4x4<f32>(); var t1 = mat4x4<f32>(); var t2 = mat4x4<f32>(); var t3 = mat4x4<f32>();
  var u0 = mat4x4<f32>(); var u1 = mat4x4<f32>(); var u2 = mat4x4<f32>(); var u3 = mat4x4<f32>();
  let own_queries = queries_of(token.frame);
  let other_queries = queries_of(other.frame);
  let last = token_at(video, last_token(group.x));
  let queries = union_of(queries_of(first.frame), queries_of(last.frame));
  let begin = from_token(queries.start, queries);
  for (var s = begin; s < queries.end; s = from_token(s + 1u, queries)) {
    let query = row_of(video, s);
    let q = query * 2u * d + head;
    var q0 = mat4x4<f32>(); var q1 = mat4x4<f32>();
    var q2 = mat4x4<f32>(); var q3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qk[q + lane]; let z = qk[q + 8u + lane];
      q0 = low(x); q1 = high(x); q2 = low(z); q3 = high(z);
    } else {
      q0 = from_qk(q); q1 = from_qk(q + 4u);
      q2 = from_qk(q + 8u); q3 = from_qk(q + 12u);
    }
    let of_query = delta[query * params.heads + head_index];
    let g = query * d + head;
    var g0 = mat4x4<f32>(); var g1 = mat4x4<f32>();
    var g2 = mat4x4<f32>(); var g3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = dy[g + lane]; let z = dy[g + 8u + lane];
      g0 = low(x); g1 = high(x); g2 = low(z); g3 = high(z);
    } else {
      g0 = from_dy(g); g1 = from_dy(g + 4u);
      g2 = from_dy(g + 8u); g3 = from_dy(g + 12u);
    }
    let score = product(q0, q1, q2, q3, k0, k1, k2, k3);
    let p = probability(score, s, own_queries, token.frame, of_query.x);
    let dp = product(g0, g1, g2, g3, v0, v1, v2, v3);
    let ds = p * (dp - of_query.y) * 0.125;
    a0 += q0 * ds; a1 += q1 * ds; a2 += q2 * ds; a3 += q3 * ds;
    b0 += g0 * p; b1 += g1 * p; b2 += g2 * p; b3 += g3 * p;
    if (PAIR) {
      let score = product(q0, q1, q2, q3, e0, e1, e2, e3);
      let p = probability(score, s, other_queries, other.frame, of_query.x);
      let dp = product(g0, g1, g2, g3, h0, h1, h2, h3);
      let ds = p * (dp - of_query.y) * 0.125;
      t0 += q0 * ds; t1 += q1 * ds; t2 += q2 * ds; t3 += q3 * ds;
      u0 += g0 * p; u1 += g1 * p; u2 += g2 * p; u3 += g3 * p;
    }
  }
  if (first.number + lane == token.number) {
    put_key(own, a0); put_key(own + 4u, a1); put_key(own + 8u, a2); put_key(own + 12u, a3);
    put_value(at, b0); put_value(at + 4u, b1); put_value(at + 8u, b2); put_value(at + 12u, b3);
  }
  if (PAIR && first.number + lane + WG == other.number) {
    put_key(other_own, t0); put_key(other_own + 4u, t1);
    put_key(other_own + 8u, t2); put_key(other_own + 12u, t3);
    put_value(other_at, u0); put_value(other_at + 4u, u1);
    put_value(other_at + 8u, u2); put_value(other_at + 12u, u3);
  }
}

fn put_key(i: u32, m: mat4x4<f32>) {
  dqk[i] = m[0]; dqk[i + 1u] = m[1]; dqk[i + 2u] = m[2]; dqk[i + 3u] = m[3];
}

fn put_value(i: u32, m: mat4x4<f32>) {
  dqkv[i] = m[0]; dqkv[i + 1u] = m[1]; dqkv[i + 2u] = m[2]; dqkv[i + 3u] = m[3];
}
