// The forms of `attention` for GPUs: a lane holds 16 bytes of a key, 8 of its dims in half floats or 4
// in floats. So 8 or 16 lanes share a head's dims, and 2 or 4 of its queries, which all use what a
// lane has loaded. How lanes add up scores is in attention_memory.wgsl and attention_shuffle.wgsl:
// `weigh` and `whole`.
//
// What each query has is a vector by query; with half floats only x and y count. Dims of queries and
// their sums are four vec4s: in floats one of each query, in half floats two of each.

override AHEAD: bool = true;  // whether keys and values are asked for a trip before they are used
override PARTS: u32 = 1u;     // groups of 64 lanes that share the keys of a workgroup: 1, 4 or 8

const WG = 64u * PARTS;
const LANES = select(16u, 8u, F16);
const KEYS = 4u;              // of a trip
const QUERIES = 16u;          // of a workgroup
const LOG2_E = 1.4426950408889634;

@group(0) @binding(3) var<storage, read> k: array<vec4<u32>>;  // [B, heads, slots, 64]
@group(0) @binding(4) var<storage, read> v: array<vec4<u32>>;  // [B, heads, slots, 64]

fn key16(i: u32) -> vec4<u32> { return k[i]; }

fn value16(i: u32) -> vec4<u32> { return v[i]; }

// A lane's share of four keys that follow each other, or of their values, as it is in the cache:
// converted before it is needed, it would take twice the registers.
struct Four { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>, }

// `at` counts the lane's 16 bytes.
fn ask_keys(at: u32) -> Four {
  return Four(
    key16(at), key16(at + LANES), key16(at + 2u * LANES), key16(at + 3u * LANES),
  );
}

fn ask_values(at: u32) -> Four {
  return Four(
    value16(at), value16(at + LANES), value16(at + 2u * LANES), value16(at + 3u * LANES),
  );
}

struct Asked { keys: Four, values: Four, }

fn ask(at: u32) -> Asked { return Asked(ask_keys(at), ask_values(at)); }

// A lane's dims as the even ones of the four vec4s meet them, and the odd ones.
fn dims(bits: vec4<u32>) -> Octet {
  if (F16) { return from_half(bits); }
  return Octet(bitcast<vec4<f32>>(bits), bitcast<vec4<f32>>(bits));
}

// By query -> by the four vec4s.
fn spread(x: vec4<f32>) -> vec4<f32> { return select(x, x.xxyy, F16); }

fn spread_u32(x: vec4<u32>) -> vec4<u32> { return select(x, x.xxyy, F16); }

// sum + a b, as a chain of multiply-adds.
fn dot4(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
  return a.w * b.w + (a.z * b.z + (a.y * b.y + (a.x * b.x + sum)));
}

// The lane's part of a key's scores.
fn scores_of(q: mat4x4<f32>, bits: vec4<u32>) -> vec4<f32> {
  let k = dims(bits);
  if (F16) {
    let a = dot4(q[1], k.hi, dot4(q[0], k.lo, 0.0));
    let b = dot4(q[3], k.hi, dot4(q[2], k.lo, 0.0));
    return vec4(a, b, 0.0, 0.0);
  }
  return vec4(
    dot4(q[0], k.lo, 0.0), dot4(q[1], k.lo, 0.0), dot4(q[2], k.lo, 0.0), dot4(q[3], k.lo, 0.0),
  );
}

fn add_value(o: mat4x4<f32>, weights: vec4<f32>, bits: vec4<u32>) -> mat4x4<f32> {
  let p = spread(weights);
  let v = dims(bits);
  return mat4x4(p.x * v.lo + o[0], p.y * v.hi + o[1], p.z * v.lo + o[2], p.w * v.hi + o[3]);
}

fn scaled(o: mat4x4<f32>, factors: vec4<f32>) -> mat4x4<f32> {
  let f = spread(factors);
  return mat4x4(o[0] * f.x, o[1] * f.y, o[2] * f.z, o[3] * f.w);
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

// A lane's queries, which are so far apart.
const APART = 64u / LANES;

struct Queries { q: mat4x4<f32>, keys: vec4<u32>, frames: vec4<f32>, }

// Where a lane's four vec4s are, in rows of so many.
fn places(rows: vec4<u32>, size: u32, lane: u32) -> vec4<u32> {
  let own = lane % LANES;
  return spread_u32(rows * size) + select(vec4(own), 2u * own + vec4(0u, 1u, 0u, 1u), F16);
}

fn load_queries(group: vec3<u32>, first: u32, lane: u32) -> Queries {
  let own = first + lane / LANES;
  let a = query_of(group.z, own, group.y);
  let b = query_of(group.z, own + APART, group.y);
  let c = query_of(group.z, own + 2u * APART, group.y);
  let d = query_of(group.z, own + 3u * APART, group.y);
  let at = places(vec4(a.row, b.row, c.row, d.row), 16u, lane);
  return Queries(
    mat4x4(q[at.x], q[at.y], q[at.z], q[at.w]) * LOG2_E,
    vec4(a.keys, b.keys, c.keys, d.keys), vec4(a.frame, b.frame, c.frame, d.frame),
  );
}

// Sums over the keys so far: of values by weights, and of weights, which are powers of 2 of the
// scores less the largest.
struct Sums { o: mat4x4<f32>, maxima: vec4<f32>, totals: vec4<f32>, }

// A trip's first key, and the end of its run.
struct Trip { first: u32, end: u32, }

// Weights of a trip's keys, and with these the maxima, the totals, and what to multiply sums by.
struct Weights {
  a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
  maxima: vec4<f32>, totals: vec4<f32>, factors: vec4<f32>,
}

fn weigh_keys(s: Sums, mine: Queries, k: Four, trip: Trip, lane: u32) -> Weights {
  let partial = mat4x4(
    scores_of(mine.q, k.a), scores_of(mine.q, k.b), scores_of(mine.q, k.c), scores_of(mine.q, k.d),
  );
  return weigh(partial, s, mine, trip, lane);
}

fn add_values(s: Sums, w: Weights, v: Four) -> Sums {
  var o = add_value(scaled(s.o, w.factors), w.a, v.a);
  o = add_value(o, w.b, v.b);
  o = add_value(o, w.c, v.c);
  return Sums(add_value(o, w.d, v.d), w.maxima, w.totals);
}

fn add_trip(s: Sums, mine: Queries, asked: Asked, trip: Trip, lane: u32) -> Sums {
  return add_values(s, weigh_keys(s, mine, asked.keys, trip, lane), asked.values);
}

// Adds a run's keys, whose head's slots start at `base`. Groups of lanes take turns, so that all make
// as many trips.
fn add_run(sums: Sums, mine: Queries, run: Run, base: u32, index: u32) -> Sums {
  let lane = index % 64u;
  let turn = KEYS * PARTS;
  var s = sums;
  var trip = Trip(run.first + KEYS * (index / 64u), run.end);
  var at = (base + trip.first + run.shift) * LANES + lane % LANES;
  var asked = ask(at);
  for (var first = run.first; first < run.end; first += select(turn, 2u * turn, AHEAD)) {
    if (AHEAD) {
      // two trips, so that what is asked for meets free registers: none has to be copied
      let next = ask(at + turn * LANES);
      s = add_trip(s, mine, asked, trip, lane);
      trip.first += turn;
      asked = ask(at + 2u * turn * LANES);
      s = add_trip(s, mine, next, trip, lane);
      at += 2u * turn * LANES;
    } else {
      // keys and values are never there at once, which takes the fewest registers
      let w = weigh_keys(s, mine, ask_keys(at), trip, lane);
      s = add_values(s, w, ask_values(at));
      at += turn * LANES;
    }
    trip.first += turn;
  }
  return s;
}

fn attend(group: vec3<u32>, first: u32, index: u32) -> Sums {
  let mine = load_queries(group, first, index % 64u);
  // later frames attend to more keys: the last query bounds the loop
  let share = share_of(group.z, first + QUERIES - 1u, group.x % SPLIT);
  let base = (group.z * params.heads + group.y) * params.slots;
  let ring = regions();
  var s = Sums(mat4x4<f32>(), vec4(-1e29), vec4(0.0));
  for (var n = 0u; n < 4u; n++) {
    let run = run_of(ring, n, share);
    if (run.first < run.end) { s = add_run(s, mine, run, base, index); }
  }
  let totals = whole(s.totals);
  // z and w are never read then, so they need not be computed
  if (F16) { return Sums(s.o, s.maxima.xyxy, totals.xyxy); }
  return Sums(s.o, s.maxima, totals);
}

// What half of the groups leave for the others.
var<workgroup> left: array<Sums, 32u * max(PARTS, 2u)>;

// The sums of the same queries over other keys.
fn join(a: Sums, b: Sums) -> Sums {
  let maxima = max(a.maxima, b.maxima);
  let own = exp2(a.maxima - maxima);
  let its = exp2(b.maxima - maxima);
  return Sums(scaled(a.o, own) + scaled(b.o, its), maxima, a.totals * own + b.totals * its);
}

// Halves the groups until the first has all sums: always in the same order.
fn join_parts(sums: Sums, group: u32, lane: u32) -> Sums {
  var s = sums;
  for (var half = PARTS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (group >= half && group < 2u * half) { left[(group - half) * 64u + lane] = s; }
    workgroupBarrier();
    if (group < half) { s = join(s, left[group * 64u + lane]); }
  }
  return s;
}

// The maxima and totals of a lane's queries, after their values.
fn write_totals(at: vec4<u32>, valid: vec4<bool>, s: Sums) {
  let maxima = s.maxima / LOG2_E;
  if (valid.x) { out[at.x] = vec4(maxima.x, s.totals.x, 0.0, 0.0); }
  if (valid.y) { out[at.y] = vec4(maxima.y, s.totals.y, 0.0, 0.0); }
  if (F16) { return; }
  if (valid.z) { out[at.z] = vec4(maxima.z, s.totals.z, 0.0, 0.0); }
  if (valid.w) { out[at.w] = vec4(maxima.w, s.totals.w, 0.0, 0.0); }
}

fn write_sums(group: vec3<u32>, first: u32, s: Sums, lane: u32) {
  let queries = first + lane / LANES + vec4(0u, 1u, 2u, 3u) * APART;
  let valid = queries < vec4(params.queries);
  let rows = (group.z * params.queries + queries) * params.heads + group.y;
  var o = s.o;
  var at = places(rows, 16u, lane);
  if (SPLIT > 1u) {
    let parts = rows * SPLIT + group.x % SPLIT;
    at = places(parts, 17u, lane);
    if (lane % LANES == 0u) { write_totals(parts * 17u + 16u, valid, s); }
  } else {
    o = scaled(o, 1.0 / s.totals);
  }
  let both = select(valid, valid.xxyy, F16);
  if (both.x) { out[at.x] = o[0]; }
  if (both.y) { out[at.y] = o[1]; }
  if (both.z) { out[at.z] = o[2]; }
  if (both.w) { out[at.w] = o[3]; }
}

fn attention(group: vec3<u32>, index: u32) {
  let first = group.x / SPLIT * QUERIES;
  var s = attend(group, first, index);
  if (PARTS > 1u) {
    s = join_parts(s, index / 64u, index % 64u);
    if (index >= 64u) { return; }
  }
  write_sums(group, first, s, index);
}
