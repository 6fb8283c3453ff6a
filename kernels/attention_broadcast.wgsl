// Joined after fragments: frame, step, attention, texel, broadcast.
// The CPU form of `attention`: one subgroup of eight lanes a workgroup, four queries a lane, two
// keys at a time. Two lanes gather eight dims of a key each, the next two the dims after these, and
// all get them by broadcast (see fragments/broadcast.wgsl).

@group(0) @binding(3) var k: texture_storage_2d<rgba32uint, read>;  // [B, heads, slots, 64]
@group(0) @binding(4) var v: texture_storage_2d<rgba32uint, read>;  // [B, heads, slots, 64]

fn key16(i: u32) -> vec4<u32> { return textureLoad(k, texel(i)); }

fn value16(i: u32) -> vec4<u32> { return textureLoad(v, texel(i)); }

// Staging for queries and results, so that loops over it keep the code small.
var<workgroup> heap: array<vec4<f32>, 512>;

// Half of the 64 dims of two keys: one column per key, four dims per matrix.
struct Tile {
  a: mat2x4<f32>, b: mat2x4<f32>, c: mat2x4<f32>, d: mat2x4<f32>,
  e: mat2x4<f32>, f: mat2x4<f32>, g: mat2x4<f32>, h: mat2x4<f32>,
}

fn tile(o: Octet) -> Tile {
  return Tile(
    mat2x4(subgroupBroadcast(o.lo, 0u), subgroupBroadcast(o.lo, 1u)),
    mat2x4(subgroupBroadcast(o.hi, 0u), subgroupBroadcast(o.hi, 1u)),
    mat2x4(subgroupBroadcast(o.lo, 2u), subgroupBroadcast(o.lo, 3u)),
    mat2x4(subgroupBroadcast(o.hi, 2u), subgroupBroadcast(o.hi, 3u)),
    mat2x4(subgroupBroadcast(o.lo, 4u), subgroupBroadcast(o.lo, 5u)),
    mat2x4(subgroupBroadcast(o.hi, 4u), subgroupBroadcast(o.hi, 5u)),
    mat2x4(subgroupBroadcast(o.lo, 6u), subgroupBroadcast(o.lo, 7u)),
    mat2x4(subgroupBroadcast(o.hi, 6u), subgroupBroadcast(o.hi, 7u)),
  );
}

// Partial dot products of two keys with one half of a query.
fn scores(lo: mat4x4<f32>, hi: mat4x4<f32>, t: Tile) -> vec2<f32> {
  return lo[0] * t.a + lo[1] * t.b + lo[2] * t.c + lo[3] * t.d +
    hi[0] * t.e + hi[1] * t.f + hi[2] * t.g + hi[3] * t.h;
}

struct Pair { maximum: f32, total: f32, rescale: f32, weights: vec2<f32>, }

// As `online_softmax`, with two scores.
fn online_softmax2(s: Pair, scores: vec2<f32>, visible: vec2<bool>) -> Pair {
  let seen = select(vec2(-1e30), scores, visible);
  let maximum = max(s.maximum, max(seen.x, seen.y));
  let weights = select(vec2(0.0), exp(seen - maximum), visible);
  let rescale = exp(s.maximum - maximum);
  return Pair(maximum, s.total * rescale + weights.x + weights.y, rescale, weights);
}

fn lo16(t: Tile, p: vec2<f32>) -> mat4x4<f32> { return mat4x4(t.a * p, t.b * p, t.c * p, t.d * p); }

fn hi16(t: Tile, p: vec2<f32>) -> mat4x4<f32> { return mat4x4(t.e * p, t.f * p, t.g * p, t.h * p); }

fn stage_query(query: Query, to: u32) {
  for (var j = 0u; j < params.vec4s; j++) { heap[to + 8u * j] = q[query.row * 16u + j]; }
}

fn staged(i: u32) -> mat4x4<f32> {
  return mat4x4(heap[i], heap[i + 8u], heap[i + 16u], heap[i + 24u]);
}

fn stage_output(i: u32, o: mat4x4<f32>) {
  heap[i] = o[0]; heap[i + 8u] = o[1]; heap[i + 16u] = o[2]; heap[i + 24u] = o[3];
}

fn write_out(query: Query, part: u32, s: Pair, heap_at: u32) {
  if (!query.valid) { return; }
  var to = query.row * 16u;
  var factor = 1.0 / s.total;
  if (SPLIT > 1u) {
    to = (query.row * SPLIT + part) * 17u;
    factor = 1.0;
    out[to + 16u] = vec4(s.maximum, s.total, 0.0, 0.0);
  }
  for (var j = 0u; j < params.vec4s; j++) { out[to + j] = heap[heap_at + 8u * j] * factor; }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = group.x / SPLIT * 32u + lane;
  let part = group.x % SPLIT;
  let a = query_of(group.z, first, group.y); let b = query_of(group.z, first + 8u, group.y);
  let c = query_of(group.z, first + 16u, group.y); let d = query_of(group.z, first + 24u, group.y);
  let share = share_of(group.z, first - lane + 31u, part);
  let base = (group.z * params.heads + group.y) * params.slots;
  stage_query(a, lane); stage_query(b, lane + 128u);
  stage_query(c, lane + 256u); stage_query(d, lane + 384u);
  // plain matrices: structs as variables cost a third of the speed
  let qa0 = staged(lane); let qa1 = staged(lane + 32u); let qa2 = staged(lane + 64u);
  let qa3 = staged(lane + 96u); let qb0 = staged(lane + 128u); let qb1 = staged(lane + 160u);
  let qb2 = staged(lane + 192u); let qb3 = staged(lane + 224u); let qc0 = staged(lane + 256u);
  let qc1 = staged(lane + 288u); let qc2 = staged(lane + 320u); let qc3 = staged(lane + 352u);
  let qd0 = staged(lane + 384u); let qd1 = staged(lane + 416u); let qd2 = staged(lane + 448u);
  let qd3 = staged(lane + 480u);
  var a0 = mat4x4<f32>(); var a1 = mat4x4<f32>(); var a2 = mat4x4<f32>(); var a3 = mat4x4<f32>();
  var b0 = mat4x4<f32>(); var b1 = mat4x4<f32>(); var b2 = mat4x4<f32>(); var b3 = mat4x4<f32>();
  var c0 = mat4x4<f32>(); var c1 = mat4x4<f32>(); var c2 = mat4x4<f32>(); var c3 = mat4x4<f32>();
  var d0 = mat4x4<f32>(); var d1 = mat4x4<f32>(); var d2 = mat4x4<f32>(); var d3 = mat4x4<f32>();
  let ring = regions();
  var sa = Pair(-1e30, 0.0, 1.0, vec2(0.0));
  var sb = sa; var sc = sa; var sd = sa;
  for (var i = share.first; i < share.end; i += 2u) {
    let mine = min(i + lane % 2u, share.end - 1u);
    let octet = (base + slot_of(ring, mine)) * 8u + lane / 2u;
    let k0 = tile(key(octet));
    var xa = scores(qa0, qa1, k0); var xb = scores(qb0, qb1, k0);
    var xc = scores(qc0, qc1, k0); var xd = scores(qd0, qd1, k0);
    let k1 = tile(key(octet + 4u));
    xa += scores(qa2, qa3, k1); xb += scores(qb2, qb3, k1);
    xc += scores(qc2, qc3, k1); xd += scores(qd2, qd3, k1);
    if (SLOPE) {
      let own = frame_of(mine);
      let frames = vec2(subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u));
      xa += params.slope * (frames - a.frame); xb += params.slope * (frames - b.frame);
      xc += params.slope * (frames - c.frame); xd += params.slope * (frames - d.frame);
    }
    let index = vec2(i, i + 1u);
    sa = online_softmax2(sa, xa, index < vec2(min(a.keys, share.end)));
    sb = online_softmax2(sb, xb, index < vec2(min(b.keys, share.end)));
    sc = online_softmax2(sc, xc, index < vec2(min(c.keys, share.end)));
    sd = online_softmax2(sd, xd, index < vec2(min(d.keys, share.end)));
    let v0 = tile(value(octet));
    a0 = a0 * sa.rescale + lo16(v0, sa.weights);
    a1 = a1 * sa.rescale + hi16(v0, sa.weights);
    b0 = b0 * sb.rescale + lo16(v0, sb.weights);
    b1 = b1 * sb.rescale + hi16(v0, sb.weights);
    c0 = c0 * sc.rescale + lo16(v0, sc.weights);
    c1 = c1 * sc.rescale + hi16(v0, sc.weights);
    d0 = d0 * sd.rescale + lo16(v0, sd.weights);
    d1 = d1 * sd.rescale + hi16(v0, sd.weights);
    let v1 = tile(value(octet + 4u));
    a2 = a2 * sa.rescale + lo16(v1, sa.weights);
    a3 = a3 * sa.rescale + hi16(v1, sa.weights);
    b2 = b2 * sb.rescale + lo16(v1, sb.weights);
    b3 = b3 * sb.rescale + hi16(v1, sb.weights);
    c2 = c2 * sc.rescale + lo16(v1, sc.weights);
    c3 = c3 * sc.rescale + hi16(v1, sc.weights);
    d2 = d2 * sd.rescale + lo16(v1, sd.weights);
    d3 = d3 * sd.rescale + hi16(v1, sd.weights);
  }
  stage_output(lane, a0); stage_output(lane + 32u, a1); stage_output(lane + 64u, a2);
  stage_output(lane + 96u, a3); write_out(a, part, sa, lane);
  stage_output(lane + 128u, b0); stage_output(lane + 160u, b1); stage_output(lane + 192u, b2);
  stage_output(lane + 224u, b3); write_out(b, part, sb, lane + 128u);
  stage_output(lane + 256u, c0); stage_output(lane + 288u, c1); stage_output(lane + 320u, c2);
  stage_output(lane + 352u, c3); write_out(c, part, sc, lane + 256u);
  stage_output(lane + 384u, d0); stage_output(lane + 416u, d1); stage_output(lane + 448u, d2);
  stage_output(lane + 480u, d3); write_out(d, part, sd, lane + 384u);
}
