/**
 * Plain loops over all pairs of tokens, as far as `dim` queries, keys and values in a group.
 * @param qkv [b, tokens, groups, 3 dim]
 * @returns [b, tokens, groups, dim]
 */
export function linearAttentionReference(
  qkv: Float32Array,
  [b, tokens, groups, dim]: readonly [number, number, number, number],
): Float32Array {
  const at = (image: number, token: number, group: number, channel: number) =>
    qkv[((image * tokens + token) * groups + group) * 3 * dim + channel]!;
  const y = new Float32Array(b * tokens * groups * dim);
  for (let i = 0; i < b * tokens * groups; i++) {
    const [image, n, g] = [
      Math.floor(i / groups / tokens),
      Math.floor(i / groups) % tokens,
      i % groups,
    ];
    const scores = Array.from({ length: tokens }, (_, m) => {
      let score = 0;
      for (let d = 0; d < dim; d++) {
        score += Math.max(0, at(image, n, g, d)) * Math.max(0, at(image, m, g, dim + d));
      }
      return score;
    });
    const total = scores.reduce((sum, score) => sum + score, 1e-15);
    for (let d = 0; d < dim; d++) {
      const sum = scores.reduce((s, score, m) => s + score * at(image, m, g, 2 * dim + d), 0);
      y[i * dim + d] = sum / total;
    }
  }
  return y;
}
