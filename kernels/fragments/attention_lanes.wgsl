// The forms of `attention` for GPUs: a lane holds 16 bytes of a value, 8 of its dims in half floats or
// 4 in floats. So 8 or 16 lanes share a head's dims, and 2 or 4 of its queries, which all use what a
// lane has loaded. How a key is scored and weighed is in attention_memory.wgsl and
// attention_shuffle.wgsl: `load_queries`, `add_run` and `whole`.
//
// What each query has is a vector by query; with half floats only x and y count. Dims of queries and
// their sums are four vec4s: in floats one of each query, in half floats two of each.

override AHEAD: bool = true;  // whether keys and values are asked for a trip before they are used
override PARTS: u32 = 1u;     // groups of 64 lanes that share the keys of a workgroup: 1, 4 or 8

const WG = 64u * PARTS;
const LANES = select(16u, 8u, F16);
const QUERIES = 16u;          // of a workgroup
const LOG2_E = 1.4426950408889634;

@group(0) @binding(3) var<storage, read> k: array<vec4<u32>>;  // [B, heads, slots, 64]
@group(0) @binding(4) var<storage, read> v: array<vec4<u32>>;  // [B, heads, slots, 64]

fn key16(i: u32) -> vec4<u32> { return k[i]; }

fn value16(i: u32) -> vec4<u32> { return v[i]; }

// A lane's share of four keys, or of their values, as it is in the cache: converted before it is
// needed, it would take twice the registers.
struct Four { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>, }

// `at` counts 16 bytes.
fn ask_keys(at: u32, apart: u32) -> Four {
  return Four(
    key16(at), key16(at + apart), key16(at + 2u * apart), key16(at + 3u * apart),
  );
}

fn ask_values(at: u32) -> Four {
  return Four(
    value16(at), value16(at + LANES), value16(at + 2u * LANES), value16(at + 3u * LANES),
  );
}

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

// Where a lane's four vec4s are, in rows of so many.
fn places(rows: vec4<u32>, size: u32, lane: u32) -> vec4<u32> {
  let own = lane % LANES;
  return spread_u32(rows * size) + select(vec4(own), 2u * own + vec4(0u, 1u, 0u, 1u), F16);
}

// Sums over the keys so far: of values by weights, and of weights, which are powers of 2 of the
// scores less the largest.
struct Sums { o: mat4x4<f32>, maxima: vec4<f32>, totals: vec4<f32>, }

// A trip's first key, and the end of its run.
struct Trip { first: u32, end: u32, }

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
  return whole(s, index % 64u);
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
