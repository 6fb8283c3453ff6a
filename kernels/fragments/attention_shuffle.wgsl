// The lanes of attention_lanes.wgsl score keys as they weigh values: each its dims of four keys, which
// are added up within a subgroup. Each lane of a quad is left with the scores of one key of the trip,
// so it masks and weighs only these, and tells the others.

const KEYS = 4u;   // of a trip

struct Queries { q: mat4x4<f32>, keys: vec4<u32>, frames: vec4<f32>, }

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

struct Asked { keys: Four, values: Four, }

fn ask(at: u32) -> Asked { return Asked(ask_keys(at, LANES), ask_values(at)); }

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

// The sum over the lanes of a head for the key that is as far in the trip as the lane in its quad.
fn own_scores(partial: mat4x4<f32>, lane: u32) -> vec4<f32> {
  let odd = lane % 2u == 1u;
  let upper = lane / 2u % 2u == 1u;
  let ab = select(partial[0], partial[1], odd) +
    subgroupShuffleXor(select(partial[1], partial[0], odd), 1u);
  let cd = select(partial[2], partial[3], odd) +
    subgroupShuffleXor(select(partial[3], partial[2], odd), 1u);
  let four = select(ab, cd, upper) + subgroupShuffleXor(select(cd, ab, upper), 2u);
  let eight = four + subgroupShuffleXor(four, 4u);
  if (LANES == 8u) { return eight; }
  return eight + subgroupShuffleXor(eight, 8u);
}

// The scores of key i with its bias. Of one that a query does not see it is -1e30, which stays below
// any maximum, so that its weight is 0.
fn seen_scores(scores: vec4<f32>, mine: Queries, i: u32, end: u32) -> vec4<f32> {
  var x = scores;
  if (SLOPE) { x += LOG2_E * params.slope * (vec4(frame_of(i)) - mine.frames); }
  return select(vec4(-1e30), x, vec4(select(~0u, i, i < end)) < mine.keys);
}

fn weigh(partial: mat4x4<f32>, s: Sums, mine: Queries, trip: Trip, lane: u32) -> Weights {
  let x = seen_scores(own_scores(partial, lane), mine, trip.first + lane % 4u, trip.end);
  let two = max(x, subgroupShuffleXor(x, 1u));
  let maxima = max(s.maxima, max(two, subgroupShuffleXor(two, 2u)));
  let p = exp2(x - maxima);
  let factors = exp2(s.maxima - maxima);
  return Weights(
    quadBroadcast(p, 0u), quadBroadcast(p, 1u), quadBroadcast(p, 2u), quadBroadcast(p, 3u),
    maxima, s.totals * factors + p, factors,
  );
}

// A lane has added up its own weights.
fn whole(s: Sums, lane: u32) -> Sums {
  let two = s.totals + subgroupShuffleXor(s.totals, 1u);
  let totals = two + subgroupShuffleXor(two, 2u);
  // z and w are never read then, so they need not be computed
  if (F16) { return Sums(s.o, s.maxima.xyxy, totals.xyxy); }
  return Sums(s.o, s.maxima, totals);
}

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
      let w = weigh_keys(s, mine, ask_keys(at, LANES), trip, lane);
      s = add_values(s, w, ask_values(at));
      at += turn * LANES;
    }
    trip.first += turn;
  }
  return s;
}
