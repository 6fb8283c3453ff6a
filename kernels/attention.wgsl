// out = softmax(q k^T + slope * (frame_k - frame_q)) v over the first `keys` logical keys of a
// frame: long-term context first, then the window (frame-causal, no mask). Online softmax; q is
// already scaled. One lane per query and head, keys and values loaded by an index that is the same
// for all lanes. With SPLIT > 1 each workgroup takes a share of the keys and stores partial results.

override WG: u32 = 8u;
override F16: bool = false;    // caches of half floats
override SPLIT: u32 = 1u;
override SLOPE: bool = false;

struct Params {
  queries: u32,          // queries per video (frames * tokens)
  tokens: u32,           // queries per frame
  heads: u32,
  slots: u32,            // cache slots per head
  window: u32,           // first slot of the window region
  context_tokens: u32,   // keys per long-term frame
  window_tokens: u32,    // keys per window frame
  slope: f32,
}

// Numbers that change from frame to frame.
struct Step {
  context_keys: u32,     // keys in the long-term region
  context_start: u32,    // its oldest key, the region being a ring
  context_slots: u32,    // and its size
  context_frame: u32,    // frame index of the oldest long-term key
  window_start: u32,     // the same for the short-term window
  window_slots: u32,
  window_frame: u32,
  latent_frame: u32,     // index of the frame that is being denoised
  c0: f32,               // factors of the velocity and of the one before
  c1: f32,
  guidance: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> q: array<vec4<f32>>;         // [B, queries, d]
@group(0) @binding(3) var<storage, read> k: array<vec4<u32>>;         // [B, heads, slots, 64]
@group(0) @binding(4) var<storage, read> v: array<vec4<u32>>;         // [B, heads, slots, 64]
@group(0) @binding(5) var<storage, read> frames: array<vec4<u32>>;    // .y = frame index, .w = keys
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>; // [B, queries, d] or partial

struct Octet { lo: vec4<f32>, hi: vec4<f32>, }

fn halves(p: vec4<u32>) -> Octet {
  return Octet(
    vec4(unpack2x16float(p.x), unpack2x16float(p.y)),
    vec4(unpack2x16float(p.z), unpack2x16float(p.w)),
  );
}

fn key(i: u32) -> Octet {
  if (F16) { return halves(k[i]); }
  return Octet(bitcast<vec4<f32>>(k[2u * i]), bitcast<vec4<f32>>(k[2u * i + 1u]));
}

fn value(i: u32) -> Octet {
  if (F16) { return halves(v[i]); }
  return Octet(bitcast<vec4<f32>>(v[2u * i]), bitcast<vec4<f32>>(v[2u * i + 1u]));
}

// Cache slot of a logical key.
fn slot_of(i: u32) -> u32 {
  if (i >= step.context_keys) {
    let slot = step.window_start + i - step.context_keys;
    return params.window + select(slot, slot - step.window_slots, slot >= step.window_slots);
  }
  let slot = step.context_start + i;
  return select(slot, slot - step.context_slots, slot >= step.context_slots);
}

fn frame_of(i: u32) -> u32 {
  if (i >= step.context_keys) {
    return step.window_frame + (i - step.context_keys) / params.window_tokens;
  }
  return step.context_frame + i / params.context_tokens;
}

fn score(i: u32, q0: mat4x4<f32>, q1: mat4x4<f32>, q2: mat4x4<f32>, q3: mat4x4<f32>) -> f32 {
  let a = key(i); let b = key(i + 1u); let c = key(i + 2u); let d = key(i + 3u);
  let e = key(i + 4u); let f = key(i + 5u); let g = key(i + 6u); let h = key(i + 7u);
  return dot(q0[0], a.lo) + dot(q0[1], a.hi) + dot(q0[2], b.lo) + dot(q0[3], b.hi)
    + dot(q1[0], c.lo) + dot(q1[1], c.hi) + dot(q1[2], d.lo) + dot(q1[3], d.hi)
    + dot(q2[0], e.lo) + dot(q2[1], e.hi) + dot(q2[2], f.lo) + dot(q2[3], f.hi)
    + dot(q3[0], g.lo) + dot(q3[1], g.hi) + dot(q3[2], h.lo) + dot(q3[3], h.hi);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = group.x / SPLIT;
  let part = group.x % SPLIT;
  let head = group.y;
  let video = group.z;
  let query = min(tile * WG + lane, params.queries - 1u);
  let last = min(tile * WG + WG, params.queries) - 1u;
  let frames_per_video = params.queries / params.tokens;
  let mine = frames[video * frames_per_video + query / params.tokens];
  // later frames see more: the last query of the tile bounds the loop for all lanes
  let keys = frames[video * frames_per_video + last / params.tokens].w;
  let share = (keys + SPLIT - 1u) / SPLIT;
  let end = min(part * share + share, keys);
  let base = (video * params.heads + head) * params.slots;

  let row = video * params.queries + query;
  let at = (row * params.heads + head) * 16u;
  let q0 = mat4x4(q[at], q[at + 1u], q[at + 2u], q[at + 3u]);
  let q1 = mat4x4(q[at + 4u], q[at + 5u], q[at + 6u], q[at + 7u]);
  let q2 = mat4x4(q[at + 8u], q[at + 9u], q[at + 10u], q[at + 11u]);
  let q3 = mat4x4(q[at + 12u], q[at + 13u], q[at + 14u], q[at + 15u]);
  var o0 = mat4x4<f32>(); var o1 = mat4x4<f32>(); var o2 = mat4x4<f32>(); var o3 = mat4x4<f32>();
  var maximum = -1e30;
  var total = 0.0;

  for (var i = part * share; i < end; i++) {
    let octet = (base + slot_of(i)) * 8u;
    var s = score(octet, q0, q1, q2, q3);
    if (SLOPE) { s += params.slope * (f32(frame_of(i)) - f32(mine.y)); }
    let visible = i < mine.w;
    let higher = select(maximum, max(maximum, s), visible);
    let keep = exp(maximum - higher);
    let weight = select(0.0, exp(s - higher), visible);
    maximum = higher;
    total = total * keep + weight;
    let a = value(octet); let b = value(octet + 1u);
    let c = value(octet + 2u); let d = value(octet + 3u);
    let e = value(octet + 4u); let f = value(octet + 5u);
    let g = value(octet + 6u); let h = value(octet + 7u);
    o0 = o0 * keep + mat4x4(a.lo, a.hi, b.lo, b.hi) * weight;
    o1 = o1 * keep + mat4x4(c.lo, c.hi, d.lo, d.hi) * weight;
    o2 = o2 * keep + mat4x4(e.lo, e.hi, f.lo, f.hi) * weight;
    o3 = o3 * keep + mat4x4(g.lo, g.hi, h.lo, h.hi) * weight;
  }

  if (tile * WG + lane >= params.queries) { return; }
  var to = at;
  if (SPLIT > 1u) {
    // 17 vec4s a part: 16 of values, then (maximum, total)
    to = ((row * params.heads + head) * SPLIT + part) * 17u;
    out[to + 16u] = vec4(maximum, total, 0.0, 0.0);
  } else {
    let inverse = 1.0 / total;
    o0 *= inverse; o1 *= inverse; o2 *= inverse; o3 *= inverse;
  }
  out[to] = o0[0]; out[to + 1u] = o0[1]; out[to + 2u] = o0[2]; out[to + 3u] = o0[3];
  out[to + 4u] = o1[0]; out[to + 5u] = o1[1]; out[to + 6u] = o1[2]; out[to + 7u] = o1[3];
  out[to + 8u] = o2[0]; out[to + 9u] = o2[1]; out[to + 10u] = o2[2]; out[to + 11u] = o2[3];
  out[to + 12u] = o3[0]; out[to + 13u] = o3[1]; out[to + 14u] = o3[2]; out[to + 15u] = o3[3];
}
