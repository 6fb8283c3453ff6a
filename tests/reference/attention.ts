/** A key of the cache: which slot it lies in, and which frame it belongs to. */
export interface CachedKey {
  readonly slot: number;
  readonly frame: number;
}

/**
 * softmax(q k^T + slope (frame_k - frame_q)) v of one query and head, in float64 with all scores
 * in memory.
 * @param q 64 floats, already scaled
 * @param k, v slots of 64 floats of the head
 * @param keys what the query sees
 */
export function attentionReference(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  keys: readonly CachedKey[],
  slope: number,
  frame: number,
): Float64Array {
  const scores = keys.map((key) => {
    let score = slope * (key.frame - frame);
    for (let i = 0; i < 64; i++) score += q[i]! * k[key.slot * 64 + i]!;
    return score;
  });
  const maximum = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = scores.map((score) => Math.exp(score - maximum));
  const total = weights.reduce((a, b) => a + b, 0);
  const out = new Float64Array(64);
  for (const [j, { slot }] of keys.entries()) {
    for (let i = 0; i < 64; i++) out[i]! += weights[j]! / total * v[slot * 64 + i]!;
  }
  return out;
}
