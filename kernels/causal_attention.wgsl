// Joined after fragments: no_broadcast, causal_attention.
// out = softmax(q k^T / 8 + slope (frame_k - frame_q)) v, frame-causal: a token sees its own frame and
// the earlier ones. For training: the logarithm of each row's sum is kept, scores are not. One lane
// per query of a head, or per PAIR; its lanes read the same key at the same time.

@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;    // [R, d]
@group(0) @binding(4) var<storage, read_write> sums: array<vec4<f32>>; // [R, heads]: log of the sum

// The score of a key that is `s`-th in the sequence; none if the query does not see it.
fn scored(product: f32, s: u32, seen: Runs, frame: u32) -> f32 {
  if (!holds(seen, s)) { return -1e30; }
  if (SLOPE) { return product + params.slope * (time_at(s) - time_of(frame)); }
  return product;
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
  var e0 = q0; var e1 = q1; var e2 = q2; var e3 = q3;
  if (PAIR) {
    let at = other.row * 2u * d + head;
    e0 = from_qk(at) * 0.125; e1 = from_qk(at + 4u) * 0.125;
    e2 = from_qk(at + 8u) * 0.125; e3 = from_qk(at + 12u) * 0.125;
  }
  var o0 = mat4x4<f32>(); var o1 = mat4x4<f32>(); var o2 = mat4x4<f32>(); var o3 = mat4x4<f32>();
  var u0 = mat4x4<f32>(); var u1 = mat4x4<f32>(); var u2 = mat4x4<f32>(); var u3 = mat4x4<f32>();
  var maximum = vec2(-1e30);
  var sum = vec2(0.0);
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
    // of the key, for both queries
    var score = vec2(-1e30);
    score.x = scored(product(q0, q1, q2, q3, k0, k1, k2, k3), s, own_keys, token.frame);
    if (PAIR) {
      score.y = scored(product(e0, e1, e2, e3, k0, k1, k2, k3), s, other_keys, other.frame);
    }
    let higher = max(maximum, score);
    let rescale = exp(maximum - higher);
    let p = exp(score - higher);
    maximum = higher;
    sum = sum * rescale + p;
    o0 = o0 * rescale.x + v0 * p.x; o1 = o1 * rescale.x + v1 * p.x;
    o2 = o2 * rescale.x + v2 * p.x; o3 = o3 * rescale.x + v3 * p.x;
    if (PAIR) {
      u0 = u0 * rescale.y + v0 * p.y; u1 = u1 * rescale.y + v1 * p.y;
      u2 = u2 * rescale.y + v2 * p.y; u3 = u3 * rescale.y + v3 * p.y;
    }
  }
  let log_sum = maximum + log(sum);
  let factor = 1.0 / sum;
  if (first_token(group.x) + lane == token.number) {
    sums[token.row * params.heads + head_index] = vec4(log_sum.x, 0.0, 0.0, 0.0);
    let to = token.row * d + head;
    write_out(to, o0 * factor.x); write_out(to + 4u, o1 * factor.x);
    write_out(to + 8u, o2 * factor.x); write_out(to + 12u, o3 * factor.x);
  }
  if (PAIR && first_token(group.x) + lane + WG == other.number) {
    sums[other.row * params.heads + head_index] = vec4(log_sum.y, 0.0, 0.0, 0.0);
    let to = other.row * d + head;
    write_out(to, u0 * factor.y); write_out(to + 4u, u1 * factor.y);
    write_out(to + 8u, u2 * factor.y); write_out(to + 12u, u3 * factor.y);
  }
}

fn write_out(i: u32, m: mat4x4<f32>) {
  y[i] = m[0]; y[i + 1u] = m[1]; y[i + 2u] = m[2]; y[i + 3u] = m[3];
}
