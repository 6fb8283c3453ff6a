// The CPU form of `attention`: one subgroup of eight lanes a workgroup, two queries a lane, four
// keys at a time. A lane gathers eight dims of one of the four keys (lane % 4), lanes 4 to 7 the
// next eight, and the others get them by broadcast (see shared/broadcast.wgsl).

@group(0) @binding(3) var k: texture_storage_2d<rgba32uint, read>;  // [B, heads, slots, 64]
@group(0) @binding(4) var v: texture_storage_2d<rgba32uint, read>;  // [B, heads, slots, 64]

fn key16(i: u32) -> vec4<u32> { return textureLoad(k, texel(i)); }

fn value16(i: u32) -> vec4<u32> { return textureLoad(v, texel(i)); }

// Queries on their way in and results on their way out: loops over it keep the code small.
var<workgroup> heap: array<vec4<f32>, 256>;

// Sixteen dims of the four keys: a column a key, four dims a matrix.
struct Tile { a: mat4x4<f32>, b: mat4x4<f32>, c: mat4x4<f32>, d: mat4x4<f32>, }

fn tile(o: Octet) -> Tile { return Tile(low(o.lo), low(o.hi), high(o.lo), high(o.hi)); }

fn scores(q: mat4x4<f32>, t: Tile) -> vec4<f32> {
  return q[0] * t.a + q[1] * t.b + q[2] * t.c + q[3] * t.d;
}

fn weighted(t: Tile, p: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(t.a * p, t.b * p, t.c * p, t.d * p);
}

fn bring(at: u32, to: u32) {
  for (var j = 0u; j < params.vec4s; j++) { heap[to + 8u * j] = q[at + j]; }
}

fn fetch(i: u32) -> mat4x4<f32> {
  return mat4x4(heap[i], heap[i + 8u], heap[i + 16u], heap[i + 24u]);
}

fn keep(i: u32, o: mat4x4<f32>) {
  heap[i] = o[0]; heap[i + 8u] = o[1]; heap[i + 16u] = o[2]; heap[i + 24u] = o[3];
}

fn store(query: Query, part: u32, s: Softmax, heap_at: u32) {
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
  let first = group.x / SPLIT * 16u;
  let part = group.x % SPLIT;
  let a = query_of(group.z, first + lane, group.y);
  let b = query_of(group.z, first + 8u + lane, group.y);
  let share = share_of(group.z, first + 15u, part);
  let base = (group.z * params.heads + group.y) * params.slots;
  bring(a.row * 16u, lane);
  bring(b.row * 16u, lane + 128u);
  let a0 = fetch(lane); let a1 = fetch(lane + 32u);
  let a2 = fetch(lane + 64u); let a3 = fetch(lane + 96u);
  let b0 = fetch(lane + 128u); let b1 = fetch(lane + 160u);
  let b2 = fetch(lane + 192u); let b3 = fetch(lane + 224u);
  var c0 = mat4x4<f32>(); var c1 = mat4x4<f32>(); var c2 = mat4x4<f32>(); var c3 = mat4x4<f32>();
  var d0 = mat4x4<f32>(); var d1 = mat4x4<f32>(); var d2 = mat4x4<f32>(); var d3 = mat4x4<f32>();
  var s = Softmax(-1e30, 0.0, 1.0, vec4(0.0));
  var t = s;
  for (var i = share.first; i < share.end; i += 4u) {
    let mine = min(i + lane % 4u, share.end - 1u);
    let octet = (base + slot_of(mine)) * 8u + lane / 4u;
    let k0 = tile(key(octet));
    var x = scores(a0, k0); var y = scores(b0, k0);
    let k1 = tile(key(octet + 2u)); x += scores(a1, k1); y += scores(b1, k1);
    let k2 = tile(key(octet + 4u)); x += scores(a2, k2); y += scores(b2, k2);
    let k3 = tile(key(octet + 6u)); x += scores(a3, k3); y += scores(b3, k3);
    if (SLOPE) {
      let distances = low(vec4(frame_of(mine)));
      let frame = vec4(distances[0].x, distances[1].x, distances[2].x, distances[3].x);
      x += params.slope * (frame - a.frame);
      y += params.slope * (frame - b.frame);
    }
    let index = vec4(i, i + 1u, i + 2u, i + 3u);
    s = soften(s, x, index < vec4(min(a.keys, share.end)));
    t = soften(t, y, index < vec4(min(b.keys, share.end)));
    let v0 = tile(value(octet));
    c0 = c0 * s.rescale + weighted(v0, s.weights); d0 = d0 * t.rescale + weighted(v0, t.weights);
    let v1 = tile(value(octet + 2u));
    c1 = c1 * s.rescale + weighted(v1, s.weights); d1 = d1 * t.rescale + weighted(v1, t.weights);
    let v2 = tile(value(octet + 4u));
    c2 = c2 * s.rescale + weighted(v2, s.weights); d2 = d2 * t.rescale + weighted(v2, t.weights);
    let v3 = tile(value(octet + 6u));
    c3 = c3 * s.rescale + weighted(v3, s.weights); d3 = d3 * t.rescale + weighted(v3, t.weights);
  }
  keep(lane, c0); keep(lane + 32u, c1); keep(lane + 64u, c2); keep(lane + 96u, c3);
  store(a, part, s, lane);
  keep(lane + 128u, d0); keep(lane + 160u, d1); keep(lane + 192u, d2); keep(lane + 224u, d3);
  store(b, part, t, lane + 128u);
}
