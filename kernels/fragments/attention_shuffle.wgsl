// The lanes of attention_lanes.wgsl add up their scores within a subgroup. Each lane of a quad is left
// with the scores of one key of the trip, so it masks and weighs only these, and tells the others.

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
fn whole(totals: vec4<f32>) -> vec4<f32> {
  let two = totals + subgroupShuffleXor(totals, 1u);
  return two + subgroupShuffleXor(two, 2u);
}
