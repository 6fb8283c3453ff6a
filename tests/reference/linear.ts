/** Plain loops for y = act(x Wᵀ + b); `w` as files store it, [n, k]. */
export function linearReference(
  x: ArrayLike<number>,
  w: Float32Array,
  bias: Float32Array | undefined,
  [m, k, n]: [number, number, number],
  output: (v: number) => number = (v) => v,
): Float32Array {
  const y = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = bias?.[j] ?? 0;
      for (let l = 0; l < k; l++) sum += x[i * k + l]! * w[j * k + l]!;
      y[i * n + j] = output(sum);
    }
  }
  return y;
}

/** x * sigmoid(x). */
export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

/** GELU, tanh form. */
export function gelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
