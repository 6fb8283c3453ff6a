// The lanes of attention_lanes.wgsl add up their scores through workgroup memory: each adds up and
// masks one of the trip's, then reads all.

// Of each lane: its parts of the scores. One more than 64, so that sums read from different banks.
var<workgroup> parts: array<array<f32, 65>, LANES>;
var<workgroup> sums: array<f32, 64>;

fn put_parts(lane: u32, key: u32, x: vec4<f32>) {
  if (F16) {
    parts[2u * key][lane] = x.x; parts[2u * key + 1u][lane] = x.y;
  } else {
    parts[4u * key][lane] = x.x; parts[4u * key + 1u][lane] = x.y;
    parts[4u * key + 2u][lane] = x.z; parts[4u * key + 3u][lane] = x.w;
  }
}

fn add_eight(n: u32, from_lane: u32) -> f32 {
  return ((parts[n][from_lane] + parts[n][from_lane + 1u]) +
    (parts[n][from_lane + 2u] + parts[n][from_lane + 3u])) +
    ((parts[n][from_lane + 4u] + parts[n][from_lane + 5u]) +
    (parts[n][from_lane + 6u] + parts[n][from_lane + 7u]));
}

fn sums_of(at: u32) -> vec4<f32> {
  if (F16) { return vec4(sums[at], sums[at + 1u], 0.0, 0.0); }
  return vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
}

// A lane adds up score n: of the n-th query, of the first key, then of the next one, and so on.
const QUERIES_OF_LANE = LANES / 4u;

// As in attention_shuffle.wgsl, for one query.
fn seen_score(score: f32, mine: Queries, trip: Trip, n: u32) -> f32 {
  let i = trip.first + n / QUERIES_OF_LANE;
  let query = n % QUERIES_OF_LANE;
  var x = score;
  if (SLOPE) { x += LOG2_E * params.slope * (frame_of(i) - mine.frames[query]); }
  return select(-1e30, x, i < min(trip.end, mine.keys[query]));
}

fn add_lanes(partial: mat4x4<f32>, mine: Queries, trip: Trip, lane: u32) -> mat4x4<f32> {
  put_parts(lane, 0u, partial[0]);
  put_parts(lane, 1u, partial[1]);
  put_parts(lane, 2u, partial[2]);
  put_parts(lane, 3u, partial[3]);
  workgroupBarrier();
  let n = lane % LANES;
  let first = lane - n;
  var sum = add_eight(n, first);
  if (LANES > 8u) { sum += add_eight(n, first + 8u); }
  sums[lane] = seen_score(sum, mine, trip, n);
  // all have read their parts before any writes the next ones
  workgroupBarrier();
  let by = QUERIES_OF_LANE;
  return mat4x4(
    sums_of(first), sums_of(first + by), sums_of(first + 2u * by), sums_of(first + 3u * by),
  );
}

fn weigh(partial: mat4x4<f32>, s: Sums, mine: Queries, trip: Trip, lane: u32) -> Weights {
  let x = add_lanes(partial, mine, trip, lane);
  let maxima = max(s.maxima, max(max(x[0], x[1]), max(x[2], x[3])));
  let factors = exp2(s.maxima - maxima);
  let p = mat4x4(
    exp2(x[0] - maxima), exp2(x[1] - maxima), exp2(x[2] - maxima), exp2(x[3] - maxima),
  );
  let totals = s.totals * factors + (p[0] + p[1] + (p[2] + p[3]));
  return Weights(p[0], p[1], p[2], p[3], maxima, totals, factors);
}

// Every lane has added up all weights.
fn whole(totals: vec4<f32>) -> vec4<f32> { return totals; }
