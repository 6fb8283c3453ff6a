// The forms of `attention` for GPUs: eight lanes share two queries of a head, eight dims each, so
// neither keys nor sums fill the registers, and both queries use what a lane has loaded. How the
// lanes add up their scores is in attention_memory.wgsl and attention_shuffle.wgsl: `add_lanes`.

override KEYS: u32 = 8u;    // of a trip: 4 or 8
override PARTS: u32 = 1u;   // groups of 64 lanes that share the keys of a workgroup: 1, 4 or 8

const WG = 64u * PARTS;
const QUERIES = 16u;        // of a workgroup
const LOG2_E = 1.4426950408889634;

@group(0) @binding(3) var<storage, read> k: array<vec4<u32>>;  // [B, heads, slots, 64]
@group(0) @binding(4) var<storage, read> v: array<vec4<u32>>;  // [B, heads, slots, 64]

fn key16(i: u32) -> vec4<u32> { return k[i]; }

fn value16(i: u32) -> vec4<u32> { return v[i]; }

// Eight dims of four keys that follow each other.
struct Four { a: Octet, b: Octet, c: Octet, d: Octet, }

fn keys(i: u32) -> Four { return Four(key(i), key(i + 8u), key(i + 16u), key(i + 24u)); }

fn values(i: u32) -> Four { return Four(value(i), value(i + 8u), value(i + 16u), value(i + 24u)); }

// A chain of multiply-adds.
fn dot8(q: Octet, k: Octet) -> f32 {
  let lo = q.lo.w * k.lo.w + (q.lo.z * k.lo.z + (q.lo.y * k.lo.y + q.lo.x * k.lo.x));
  return q.hi.w * k.hi.w + (q.hi.z * k.hi.z + (q.hi.y * k.hi.y + (q.hi.x * k.hi.x + lo)));
}

fn dots(q: Octet, k: Four) -> vec4<f32> {
  return vec4(dot8(q, k.a), dot8(q, k.b), dot8(q, k.c), dot8(q, k.d));
}

// Keys whose slots follow each other: `shift` more than their indices.
struct Run { first: u32, end: u32, shift: u32, }

// The n-th of four: a region's keys up to the end of its ring, then those from its beginning.
fn run_of(r: Regions, n: u32, share: Share) -> Run {
  let in_window = n > 1u;
  let start = select(r.start.x, r.start.y, in_window);
  let slots = select(r.slots.x, r.slots.y, in_window);
  let first = max(share.first, select(0u, r.keys, in_window));
  let end = min(share.end, select(r.keys, share.end, in_window));
  let shift = select(0u, r.window, in_window) + start;
  let wrap = slots - start;
  if (n % 2u == 0u) { return Run(first, min(end, wrap), shift); }
  return Run(max(first, wrap), end, shift - slots);
}

// A query's sums over the keys so far, of this lane's dims. Scores are in powers of 2.
struct Sums { o: Octet, maximum: f32, total: f32, }

fn largest(x: vec4<f32>) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }

fn add_values(o: Octet, p: vec4<f32>, v: Four) -> Octet {
  return Octet(
    p.w * v.d.lo + (p.z * v.c.lo + (p.y * v.b.lo + (p.x * v.a.lo + o.lo))),
    p.w * v.d.hi + (p.z * v.c.hi + (p.y * v.b.hi + (p.x * v.a.hi + o.hi))),
  );
}

// Adds the keys of a trip to the online softmax: four near ones, and four far ones if there are so many.
fn add_keys(s: Sums, near: vec4<f32>, far: vec4<f32>, v: Four, w: Four) -> Sums {
  var maximum = max(s.maximum, largest(near));
  if (KEYS > 4u) { maximum = max(maximum, largest(far)); }
  let rescale = exp2(s.maximum - maximum);
  let p = exp2(near - maximum);
  var total = s.total * rescale + (p.x + p.y + (p.z + p.w));
  var o = add_values(Octet(s.o.lo * rescale, s.o.hi * rescale), p, v);
  if (KEYS > 4u) {
    let q = exp2(far - maximum);
    total += q.x + q.y + (q.z + q.w);
    o = add_values(o, q, w);
  }
  return Sums(o, maximum, total);
}

// The bias of four keys from the i-th on, and none of those from `end` on: -1e30 stays below any
// maximum, so its power is 0.
fn mask(scores: vec4<f32>, i: u32, end: u32, frame: f32) -> vec4<f32> {
  let index = i + vec4(0u, 1u, 2u, 3u);
  var x = scores;
  if (SLOPE) {
    let frames = vec4(frame_of(i), frame_of(i + 1u), frame_of(i + 2u), frame_of(i + 3u));
    x += LOG2_E * params.slope * (frames - frame);
  }
  return select(vec4(-1e30), x, index < vec4(end));
}

fn load_query(at: u32) -> Octet { return Octet(q[at] * LOG2_E, q[at + 1u] * LOG2_E); }

// What half of the groups leave for the others: both queries' sums of a lane, and their totals.
struct Left { a: Octet, b: Octet, totals: vec4<f32>, }

var<workgroup> left: array<Left, 32u * max(PARTS, 2u)>;

// The sums of the same query over other keys.
fn join(s: Sums, other: Octet, maximum: f32, total: f32) -> Sums {
  let most = max(s.maximum, maximum);
  let own = exp2(s.maximum - most);
  let its = exp2(maximum - most);
  let o = Octet(s.o.lo * own + other.lo * its, s.o.hi * own + other.hi * its);
  return Sums(o, most, s.total * own + total * its);
}

struct Both { a: Sums, b: Sums, }

// Halves the groups until the first has all sums: always in the same order.
fn join_parts(sums: Both, group: u32, lane: u32) -> Both {
  var s = sums;
  for (var half = PARTS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (group >= half && group < 2u * half) {
      let totals = vec4(s.a.maximum, s.a.total, s.b.maximum, s.b.total);
      left[(group - half) * 64u + lane] = Left(s.a.o, s.b.o, totals);
    }
    workgroupBarrier();
    if (group < half) {
      let its = left[group * 64u + lane];
      s.a = join(s.a, its.a, its.totals.x, its.totals.y);
      s.b = join(s.b, its.b, its.totals.z, its.totals.w);
    }
  }
  return s;
}

// Both queries of a lane over a share of the keys, whose head's slots start at `base`; groups take
// turns, so that all make as many trips.
fn attend(a: Query, b: Query, share: Share, base: u32, index: u32) -> Both {
  let lane = index % 64u;
  let octet = lane % 8u;
  let ring = regions();
  let qa = load_query(a.row * 16u + 2u * octet);
  let qb = load_query(b.row * 16u + 2u * octet);
  let none = Octet(vec4(0.0), vec4(0.0));
  var sa = Sums(none, -1e29, 0.0);
  var sb = Sums(none, -1e29, 0.0);
  for (var n = 0u; n < 4u; n++) {
    let run = run_of(ring, n, share);
    for (var first = run.first; first < run.end; first += KEYS * PARTS) {
      let i = first + KEYS * (index / 64u);
      let at = (base + i + run.shift) * 8u + octet;
      // all that a trip needs is asked for first: a single wait
      let k0 = keys(at);
      var k1 = Four(none, none, none, none);
      if (KEYS > 4u) { k1 = keys(at + 32u); }
      let v0 = values(at);
      var v1 = k1;
      if (KEYS > 4u) { v1 = values(at + 32u); }
      var x = mat4x4(dots(qa, k0), dots(qb, k0), vec4(0.0), vec4(0.0));
      if (KEYS > 4u) { x[2] = dots(qa, k1); x[3] = dots(qb, k1); }
      x = add_lanes(x, lane);
      // without a branch, after which compilers would load the values
      x[0] = mask(x[0], i, min(a.keys, run.end), a.frame);
      x[1] = mask(x[1], i, min(b.keys, run.end), b.frame);
      if (KEYS > 4u) {
        x[2] = mask(x[2], i + 4u, min(a.keys, run.end), a.frame);
        x[3] = mask(x[3], i + 4u, min(b.keys, run.end), b.frame);
      }
      sa = add_keys(sa, x[0], x[2], v0, v1);
      sb = add_keys(sb, x[1], x[3], v0, v1);
    }
  }
  return Both(sa, sb);
}

fn write_sums(query: Query, s: Sums, part: u32, octet: u32) {
  if (!query.valid) { return; }
  var to = query.row * 16u;
  var factor = 1.0 / s.total;
  if (SPLIT > 1u) {
    to = (query.row * SPLIT + part) * 17u;
    factor = 1.0;
    if (octet == 0u) { out[to + 16u] = vec4(s.maximum / LOG2_E, s.total, 0.0, 0.0); }
  }
  out[to + 2u * octet] = s.o.lo * factor;
  out[to + 2u * octet + 1u] = s.o.hi * factor;
}

fn attention(group: vec3<u32>, index: u32) {
  let first = group.x / SPLIT * QUERIES;
  let query = first + index % 64u / 8u;
  // later frames attend to more keys: the last query bounds the loop
  let part = group.x % SPLIT;
  let share = share_of(group.z, first + QUERIES - 1u, part);
  let a = query_of(group.z, query, group.y);
  let b = query_of(group.z, query + QUERIES / 2u, group.y);
  let base = (group.z * params.heads + group.y) * params.slots;
  var s = attend(a, b, share, base, index);
  if (PARTS > 1u) {
    s = join_parts(s, index / 64u, index % 64u);
    if (index >= 64u) { return; }
  }
  write_sums(a, s.a, part, index % 8u);
  write_sums(b, s.b, part, index % 8u);
}
