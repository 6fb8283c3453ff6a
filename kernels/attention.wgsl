// Joined after fragments: frame, step, attention.
// The form of `attention` for GPUs: one lane per query and head, four keys at a time, which are
// loaded by an index that is the same for all lanes of a workgroup.

override WG: u32 = 64u;

@group(0) @binding(3) var<storage, read> k: array<vec4<u32>>;  // [B, heads, slots, 64]
@group(0) @binding(4) var<storage, read> v: array<vec4<u32>>;  // [B, heads, slots, 64]

fn key16(i: u32) -> vec4<u32> { return k[i]; }

fn value16(i: u32) -> vec4<u32> { return v[i]; }

// Eight dims of four keys, at octets o: one column per key.
struct Tile { lo: mat4x4<f32>, hi: mat4x4<f32>, }

fn keys(o: vec4<u32>) -> Tile {
  let a = key(o.x); let b = key(o.y); let c = key(o.z); let d = key(o.w);
  return Tile(mat4x4(a.lo, b.lo, c.lo, d.lo), mat4x4(a.hi, b.hi, c.hi, d.hi));
}

fn scores(q: mat4x4<f32>, o: vec4<u32>) -> vec4<f32> {
  let t = keys(o);
  let u = keys(o + 1u);
  return q[0] * t.lo + q[1] * t.hi + q[2] * u.lo + q[3] * u.hi;
}

fn weighted(o: vec4<u32>, p: vec4<f32>) -> mat4x4<f32> {
  let a = value(o.x); let b = value(o.y); let c = value(o.z); let d = value(o.w);
  let n = o + 1u;
  let e = value(n.x); let f = value(n.y); let g = value(n.z); let h = value(n.w);
  return mat4x4(
    mat4x4(a.lo, b.lo, c.lo, d.lo) * p, mat4x4(a.hi, b.hi, c.hi, d.hi) * p,
    mat4x4(e.lo, f.lo, g.lo, h.lo) * p, mat4x4(e.hi, f.hi, g.hi, h.hi) * p,
  );
}

fn load_query(at: u32) -> mat4x4<f32> { return mat4x4(q[at], q[at + 1u], q[at + 2u], q[at + 3u]); }

fn write_out(to: u32, o: mat4x4<f32>) {
  out[to] = o[0]; out[to + 1u] = o[1]; out[to + 2u] = o[2]; out[to + 3u] = o[3];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = group.x / SPLIT * WG;
  let part = group.x % SPLIT;
  let own = query_of(group.z, first + lane, group.y);
  // later frames attend to more keys: the last query bounds the loop for all lanes
  let share = share_of(group.z, first + WG - 1u, part);
  let own_keys = min(own.keys, share.end);
  let base = (group.z * params.heads + group.y) * params.slots;
  let at = own.row * 16u;
  let q0 = load_query(at); let q1 = load_query(at + 4u);
  let q2 = load_query(at + 8u); let q3 = load_query(at + 12u);
  var o0 = mat4x4<f32>(); var o1 = mat4x4<f32>(); var o2 = mat4x4<f32>(); var o3 = mat4x4<f32>();
  let ring = regions();
  var s = Softmax(-1e30, 0.0, 1.0, vec4(0.0));
  for (var i = share.first; i < share.end; i += 4u) {
    let index = vec4(i, i + 1u, i + 2u, i + 3u);
    let near = min(index, vec4(share.end - 1u));
    let slots = vec4(slot_of(ring, near.x), slot_of(ring, near.y), slot_of(ring, near.z), slot_of(ring, near.w));
    let o = (vec4(base) + slots) * 8u;
    var x = scores(q0, o) + scores(q1, o + 2u) + scores(q2, o + 4u) + scores(q3, o + 6u);
    if (SLOPE) {
      let frame = vec4(frame_of(near.x), frame_of(near.y), frame_of(near.z), frame_of(near.w));
      x += params.slope * (frame - own.frame);
    }
    s = online_softmax(s, x, index < vec4(own_keys));
    o0 = o0 * s.rescale + weighted(o, s.weights);
    o1 = o1 * s.rescale + weighted(o + 2u, s.weights);
    o2 = o2 * s.rescale + weighted(o + 4u, s.weights);
    o3 = o3 * s.rescale + weighted(o + 6u, s.weights);
  }
  if (!own.valid) { return; }
  var to = at;
  var factor = 1.0 / s.total;
  if (SPLIT > 1u) {
    to = (own.row * SPLIT + part) * 17u;
    factor = 1.0;
    out[to + 16u] = vec4(s.maximum, s.total, 0.0, 0.0);
  }
  write_out(to, o0 * factor); write_out(to + 4u, o1 * factor);
  write_out(to + 8u, o2 * factor); write_out(to + 12u, o3 * factor);
}
