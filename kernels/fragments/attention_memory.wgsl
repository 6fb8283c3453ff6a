// The lanes of attention_lanes.wgsl share the scores of 64 keys at a time through workgroup memory. A
// lane computes those of four keys and four queries, over all dims, and makes weights of them; then
// lanes show each other the weights of 16 keys at a time, and each adds up values by those of its
// queries. That takes little memory, and lets many workgroups run at once.

const TILE = 64u;   // keys at a time

var<workgroup> queries: array<array<vec4<f32>, QUERIES>, 16>;   // [dims / 4][query]
// What lanes show each other: four numbers each, or the weights of 16 keys, those of a key in 9 places
// for keys to begin in different banks.
var<workgroup> shown: array<vec2<f32>, 144>;

// The four queries whose scores a lane computes, and the first of them: they are NEAR, FAR and both
// apart. Those whose values it adds up are among them.
struct Queries { first: u32, keys: vec4<u32>, frames: vec4<f32>, }

const NEAR = select(4u, 1u, F16);
const FAR = 8u;

fn load_queries(group: vec3<u32>, first: u32, lane: u32) -> Queries {
  let own = lane / 16u * select(1u, 2u, F16);
  let a = query_of(group.z, first + own, group.y);
  let b = query_of(group.z, first + own + NEAR, group.y);
  let c = query_of(group.z, first + own + FAR, group.y);
  let d = query_of(group.z, first + own + NEAR + FAR, group.y);
  let row = query_of(group.z, first + lane / 4u, group.y).row;
  for (var i = lane % 4u; i < 16u; i += 4u) {
    queries[i][lane / 4u] = q[row * 16u + i] * LOG2_E;
  }
  workgroupBarrier();
  return Queries(
    own, vec4(a.keys, b.keys, c.keys, d.keys), vec4(a.frame, b.frame, c.frame, d.frame),
  );
}

// 16 bytes of each of a lane's keys, which are 16 apart.
fn piece_of(at: u32) -> Four { return ask_keys(at, 16u * LANES); }

fn add_dots(s: vec4<f32>, q: vec4<f32>, k: mat4x4<f32>) -> vec4<f32> {
  return vec4(dot4(q, k[0], s.x), dot4(q, k[1], s.y), dot4(q, k[2], s.z), dot4(q, k[3], s.w));
}

// Scores by query, and what four dims of each key add.
fn add_dims(s: mat4x4<f32>, dims4: u32, own: u32, k: mat4x4<f32>) -> mat4x4<f32> {
  let a = queries[dims4][own];
  let b = queries[dims4][own + NEAR];
  let c = queries[dims4][own + FAR];
  let d = queries[dims4][own + NEAR + FAR];
  return mat4x4(add_dots(s[0], a, k), add_dots(s[1], b, k), add_dots(s[2], c, k), add_dots(s[3], d, k));
}

// Four dims of each key: of half floats, the first of eight or the others.
fn dims_of(k: Four, others: bool) -> mat4x4<f32> {
  if (!F16) { return mat4x4(dims(k.a).lo, dims(k.b).lo, dims(k.c).lo, dims(k.d).lo); }
  return mat4x4(
    dims(select(k.a, k.a.zwzw, others)).lo, dims(select(k.b, k.b.zwzw, others)).lo,
    dims(select(k.c, k.c.zwzw, others)).lo, dims(select(k.d, k.d.zwzw, others)).lo,
  );
}

fn add_piece(s: mat4x4<f32>, piece: u32, own: u32, k: Four) -> mat4x4<f32> {
  if (!F16) { return add_dims(s, piece, own, dims_of(k, false)); }
  let sum = add_dims(s, 2u * piece, own, dims_of(k, false));
  return add_dims(sum, 2u * piece + 1u, own, dims_of(k, true));
}

// With AHEAD two Fours of keys or values are on their way while others are used.
struct Scoring { scores: mat4x4<f32>, a: Four, b: Four, }

fn add_two_pieces(x: Scoring, piece: u32, keys: u32, own: u32) -> Scoring {
  let s = add_piece(x.scores, piece, own, x.a);
  let a = piece_of(keys + piece + 2u);
  return Scoring(add_piece(s, piece + 1u, own, x.b), a, piece_of(keys + piece + 3u));
}

// The lane's scores, from where its keys begin, and its first values.
fn score_keys(keys: u32, values: u32, own: u32) -> Scoring {
  var x = Scoring();
  if (!AHEAD) {
    // four dims at a time, and a loop that stays one, for the fewest registers
    let fours = params.vec4s;
    for (var d = 0u; d < fours; d++) {
      let k = piece_of(keys + d * LANES / 16u);
      x.scores = add_dims(x.scores, d, own, dims_of(k, d % 2u == 1u));
    }
    return x;
  }
  x.a = piece_of(keys);
  x.b = piece_of(keys + 1u);
  for (var piece = 0u; piece < LANES - 2u; piece += 2u) {
    x = add_two_pieces(x, piece, keys, own);
  }
  let s = add_piece(x.scores, LANES - 2u, own, x.a);
  let a = ask_values(values);
  return Scoring(add_piece(s, LANES - 1u, own, x.b), a, ask_values(values + 4u * LANES));
}

// As in attention_shuffle.wgsl.
fn seen_scores(scores: vec4<f32>, mine: Queries, i: u32, end: u32) -> vec4<f32> {
  var x = scores;
  if (SLOPE) { x += LOG2_E * params.slope * (vec4(frame_of(i)) - mine.frames); }
  return select(vec4(-1e30), x, vec4(select(~0u, i, i < end)) < mine.keys);
}

// Four numbers of a lane, in different banks for those of each 16 lanes.
fn show(lane: u32, x: vec4<f32>) {
  let at = 2u * (lane / 16u * 17u + lane % 16u);
  shown[at] = x.xy;
  shown[at + 1u] = x.zw;
}

fn shown_by(lane: u32, i: u32) -> vec4<f32> {
  let at = 2u * (lane / 16u * 17u + i);
  return vec4(shown[at], shown[at + 1u]);
}

// The largest of 16 lanes.
fn top(lane: u32, x: vec4<f32>) -> vec4<f32> {
  workgroupBarrier();
  show(lane, x);
  workgroupBarrier();
  var most = shown_by(lane, 0u);
  for (var i = 0u; i < 16u; i += 4u) {
    let a = max(shown_by(lane, i), shown_by(lane, i + 1u));
    most = max(most, max(a, max(shown_by(lane, i + 2u), shown_by(lane, i + 3u))));
  }
  return most;
}

// Those of a lane's queries whose values it adds up.
fn added_of(x: vec4<f32>, lane: u32) -> vec4<f32> {
  return select(x, select(x.xzxz, x.ywyw, lane / 8u % 2u == 1u), F16);
}

// By query, of a key among 16.
fn weights_of(key: u32, lane: u32) -> vec4<f32> {
  if (F16) { return vec4(shown[9u * key + lane / 8u], 0.0, 0.0); }
  let at = 9u * key + lane / 16u * 2u;
  let a = shown[at];
  let b = shown[at + 1u];
  return vec4(a.x, b.x, a.y, b.y);
}

fn add_four(o: mat4x4<f32>, key: u32, v: Four, lane: u32) -> mat4x4<f32> {
  var s = add_value(o, weights_of(key, lane), v.a);
  s = add_value(s, weights_of(key + 1u, lane), v.b);
  s = add_value(s, weights_of(key + 2u, lane), v.c);
  return add_value(s, weights_of(key + 3u, lane), v.d);
}

struct Adding { o: mat4x4<f32>, a: Four, b: Four, }

// Adds the values of 16 keys by all lanes' weights of one key each.
fn add_sixteen(x: Adding, p: vec4<f32>, values: u32, lane: u32) -> Adding {
  workgroupBarrier();
  shown[9u * (lane % 16u) + lane / 16u * 2u] = p.xz;
  shown[9u * (lane % 16u) + lane / 16u * 2u + 1u] = p.yw;
  workgroupBarrier();
  if (!AHEAD) {
    var sum = x.o;
    let keys = params.vec4s;
    for (var key = 0u; key < keys; key += 4u) {
      sum = add_four(sum, key, ask_values(values + key * LANES), lane);
    }
    return Adding(sum, x.a, x.b);
  }
  var o = add_four(x.o, 0u, x.a, lane);
  let c = ask_values(values + 8u * LANES);
  o = add_four(o, 4u, x.b, lane);
  let d = ask_values(values + 12u * LANES);
  o = add_four(o, 8u, c, lane);
  let a = ask_values(values + 16u * LANES);
  o = add_four(o, 12u, d, lane);
  return Adding(o, a, ask_values(values + 20u * LANES));
}

fn add_tile(s: Sums, mine: Queries, tile: Trip, at: u32, lane: u32) -> Sums {
  let values = at + lane % LANES;
  let i = tile.first + lane % 16u;
  let scoring = score_keys(at + lane % 16u * LANES, values, mine.first);
  let scores = transpose(scoring.scores);
  let x = mat4x4(
    seen_scores(scores[0], mine, i, tile.end), seen_scores(scores[1], mine, i + 16u, tile.end),
    seen_scores(scores[2], mine, i + 32u, tile.end), seen_scores(scores[3], mine, i + 48u, tile.end),
  );
  let maxima = max(s.maxima, top(lane, max(max(x[0], x[1]), max(x[2], x[3]))));
  let factors = exp2(s.maxima - maxima);
  let a = exp2(x[0] - maxima);
  let b = exp2(x[1] - maxima);
  let c = exp2(x[2] - maxima);
  let d = exp2(x[3] - maxima);
  let totals = s.totals * factors + ((a + b) + (c + d));
  var sum = Adding(scaled(s.o, added_of(factors, lane)), scoring.a, scoring.b);
  sum = add_sixteen(sum, a, values, lane);
  sum = add_sixteen(sum, b, values + 16u * LANES, lane);
  sum = add_sixteen(sum, c, values + 32u * LANES, lane);
  sum = add_sixteen(sum, d, values + 48u * LANES, lane);
  return Sums(sum.o, maxima, totals);
}

fn add_run(sums: Sums, mine: Queries, run: Run, base: u32, lane: u32) -> Sums {
  var s = sums;
  for (var first = run.first; first < run.end; first += TILE) {
    let at = (base + first + run.shift) * LANES;
    s = add_tile(s, mine, Trip(first, run.end), at, lane);
  }
  return s;
}

// The totals of 16 lanes, of the queries whose values a lane added up.
fn whole(s: Sums, lane: u32) -> Sums {
  workgroupBarrier();
  show(lane, s.totals);
  workgroupBarrier();
  var totals = vec4(0.0);
  for (var i = 0u; i < 16u; i++) { totals += shown_by(lane, i); }
  return Sums(s.o, added_of(s.maxima, lane), added_of(totals, lane));
}
