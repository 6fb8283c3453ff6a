// Joined after fragments: no_broadcast, causal_attention.
// out = softmax(q k^T / 8 + slope (frame_k - frame_q)) v, frame-causal: a token sees its own frame and
// the earlier ones. For training: the logarithm of each row's sum is kept, scores are not. One lane
// per query of a head; its lanes read the same key at the same time.

@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;    // [R, d]
@group(0) @binding(4) var<storage, read_write> sums: array<vec4<f32>>; // [R, heads]: log of the sum

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let d = params.heads * 16u;
  let video = group.z / params.heads;
  let head = group.z % params.heads * 16u;
  let frame = params.first_frame + group.y;
  let token = group.x * WG + lane;
  let row = row_of(video, start_of(frame) + min(token, params.tokens - 1u));
  let own = row * 2u * d + head;
  let q0 = from_qk(own) * 0.125; let q1 = from_qk(own + 4u) * 0.125;
  let q2 = from_qk(own + 8u) * 0.125; let q3 = from_qk(own + 12u) * 0.125;
  var o0 = mat4x4<f32>(); var o1 = mat4x4<f32>(); var o2 = mat4x4<f32>(); var o3 = mat4x4<f32>();
  var maximum = -1e30;
  var sum = 0.0;
  let end = start_of(frame + 1u);
  for (var s = 0u; s < end; s += 2u) {
    let next = min(s + 1u, end - 1u);
    let row_a = row_of(video, s);
    let row_b = row_of(video, next);
    let a = row_a * 2u * d + d + head;
    let b = row_b * 2u * d + d + head;
    var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>();
    var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qk[a + lane]; let z = qk[a + 8u + lane];
      a0 = low(x); a1 = high(x); a2 = low(z); a3 = high(z);
    } else {
      a0 = from_qk(a); a1 = from_qk(a + 4u);
      a2 = from_qk(a + 8u); a3 = from_qk(a + 12u);
    }
    var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>();
    var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
    if (BROADCAST) {
      let x = qk[b + lane]; let z = qk[b + 8u + lane];
      b0 = low(x); b1 = high(x); b2 = low(z); b3 = high(z);
    } else {
      b0 = from_qk(b); b1 = from_qk(b + 4u);
      b2 = from_qk(b + 8u); b3 = from_qk(b + 12u);
    }
    var score_a = dots(q0, a0) + dots(q1, a1) + dots(q2, a2) + dots(q3, a3);
    var score_b = dots(q0, b0) + dots(q1, b1) + dots(q2, b2) + dots(q3, b3);
    if (SLOPE) {
      score_a += params.slope * (frame_at(s) - f32(frame));
      score_b += params.slope * (frame_at(next) - f32(frame));
    }
    if (next == s) { score_b = -1e30; }
    let higher = max(maximum, max(score_a, score_b));
    let rescale = exp(maximum - higher);
    let p = exp(score_a - higher);
    let r = exp(score_b - higher);
    maximum = higher;
    sum = sum * rescale + p + r;
    let v = row_a * 3u * d + 2u * d + head;
    let w = row_b * 3u * d + 2u * d + head;
    if (BROADCAST) {
      let x = qkv[v + lane]; let z = qkv[v + 8u + lane];
      a0 = low(x); a1 = high(x); a2 = low(z); a3 = high(z);
    } else {
      a0 = from_qkv(v); a1 = from_qkv(v + 4u);
      a2 = from_qkv(v + 8u); a3 = from_qkv(v + 12u);
    }
    if (BROADCAST) {
      let x = qkv[w + lane]; let z = qkv[w + 8u + lane];
      b0 = low(x); b1 = high(x); b2 = low(z); b3 = high(z);
    } else {
      b0 = from_qkv(w); b1 = from_qkv(w + 4u);
      b2 = from_qkv(w + 8u); b3 = from_qkv(w + 12u);
    }
    o0 = o0 * rescale + a0 * p + b0 * r;
    o1 = o1 * rescale + a1 * p + b1 * r;
    o2 = o2 * rescale + a2 * p + b2 * r;
    o3 = o3 * rescale + a3 * p + b3 * r;
  }
  if (token >= params.tokens) { return; }
  sums[row * params.heads + group.z % params.heads] = vec4(maximum + log(sum), 0.0, 0.0, 0.0);
  write_out(row * d + head, o0 * (1.0 / sum)); write_out(row * d + head + 4u, o1 * (1.0 / sum));
  write_out(row * d + head + 8u, o2 * (1.0 / sum));
  write_out(row * d + head + 12u, o3 * (1.0 / sum));
}

fn write_out(i: u32, m: mat4x4<f32>) {
  y[i] = m[0]; y[i + 1u] = m[1]; y[i + 2u] = m[2]; y[i + 3u] = m[3];
}
