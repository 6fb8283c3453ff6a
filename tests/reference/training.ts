/**
 * Plain twins of the training kernels: forward passes in float64, whose gradients the tests take by
 * finite differences. Nothing here knows how the kernels compute theirs.
 */

type Numbers = ArrayLike<number>;

/** y = x W^T + b, x [m, k], W [n, k]. */
export function linearTwin(
  x: Numbers,
  w: Numbers,
  b: Numbers,
  [m, k, n]: readonly [number, number, number],
): number[] {
  return Array.from({ length: m * n }, (_, i) => {
    let sum = b[i % n]!;
    const row = Math.floor(i / n);
    for (let j = 0; j < k; j++) sum += x[row * k + j]! * w[i % n * k + j]!;
    return sum;
  });
}

/** Adds to each row of x [rows, width] its class's row of a table [classes, width]. */
export function classTwin(
  x: Numbers,
  table: Numbers,
  classes: readonly number[],
  width: number,
): number[] {
  return Array.from(x, (v, i) => v + table[classes[Math.floor(i / width)]! * width + i % width]!);
}

/** Mean over videos of the mean squared error of their frames that are not clean. */
export function maskedMseTwin(
  v: Numbers,
  expected: Numbers,
  clean: readonly (readonly boolean[])[],
): number {
  const size = v.length / clean.flat().length;
  let frame = 0;
  let loss = 0;
  for (const video of clean) {
    let sum = 0;
    for (const isClean of video) {
      for (let i = frame * size; i < (frame + 1) * size && !isClean; i++) {
        sum += (v[i]! - expected[i]!) ** 2 / size;
      }
      frame++;
    }
    loss += sum / (video.filter((isClean) => !isClean).length + 1e-9) / clean.length;
  }
  return loss;
}

/**
 * The loss whose gradient frames with limits have: for each weight n / limit (sqrt(1 + limit mse) - 1)
 * instead of weight n / 2 mse, n numbers per frame.
 */
export function robustTwin(
  v: Numbers,
  expected: Numbers,
  weights: readonly number[],
  limits: readonly number[],
): number {
  const n = v.length / weights.length;
  return weights.reduce((loss, weight, frame) => {
    let sum = 0;
    for (let i = frame * n; i < (frame + 1) * n; i++) sum += (v[i]! - expected[i]!) ** 2;
    const [mse, limit] = [sum / n, limits[frame]!];
    return loss + weight * n * (limit ? (Math.sqrt(1 + limit * mse) - 1) / limit : mse / 2);
  }, 0);
}

/** residual + gate x, with a gate [d] for each frame and the frame of each row. */
export function gateTwin(
  x: Numbers,
  gates: Numbers,
  residual: Numbers,
  frameOf: readonly number[],
): number[] {
  const d = x.length / frameOf.length;
  return Array.from(
    x,
    (v, i) => residual[i]! + gates[frameOf[Math.floor(i / d)]! * d + i % d]! * v,
  );
}

/** GELU in its tanh form, or SiLU. */
export function activationTwin(kind: "gelu" | "silu", x: number): number {
  if (kind === "silu") return x / (1 + Math.exp(-x));
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** LN(x) (1 + scale) + shift of one row, eps 1e-6. */
export function normTwin(x: readonly number[], scale: Numbers, shift: Numbers): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
  const inverse = 1 / Math.sqrt(variance + 1e-6);
  return x.map((v, i) => (v - mean) * inverse * (1 + scale[i]!) + shift[i]!);
}

/**
 * A head's 64 numbers, RMS-normalised (eps 1e-6), weighed, and rotated in pairs by these angles.
 */
export function rotationTwin(x: readonly number[], w: Numbers, angles: Numbers): number[] {
  const inverse = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + 1e-6);
  const n = x.map((v, i) => v * inverse * w[i]!);
  return n.map((v, i) => {
    const [cos, sin] = [angles[i - i % 2]!, angles[i - i % 2 + 1]!];
    return i % 2 ? v * cos + n[i - 1]! * sin : v * cos - n[i + 1]! * sin;
  });
}

/**
 * Frame-causal attention of one head: rows of q, k, v [T, 64] in sequence order.
 * @param noisy which rows are of noisy twins, that only their own frame sees, and not the clean one
 */
export function attentionTwin(
  [q, k, v]: readonly [number[][], number[][], number[][]],
  { frames, noisy }: { readonly frames: readonly number[]; readonly noisy: readonly boolean[] },
  slope: number,
): number[][] {
  return q.map((query, i) => {
    const scores = k.map((key, j) => {
      if (frames[j]! > frames[i]!) return -Infinity;
      if (frames[j] === frames[i] ? noisy[j] !== noisy[i] : noisy[j]) return -Infinity;
      const dot = key.reduce((sum, value, c) => sum + value * query[c]!, 0);
      return dot / 8 + slope * (frames[j]! - frames[i]!);
    });
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const sum = weights.reduce((a, b) => a + b, 0);
    return query.map((_, c) => weights.reduce((s, weight, j) => s + weight * v[j]![c]!, 0) / sum);
  });
}

/** Gradient of a function by central differences in float64. */
export function differences(x: Numbers, loss: (x: number[]) => number, step = 1e-5): number[] {
  const at = Array.from(x);
  return at.map((value, i) => {
    at[i] = value + step;
    const above = loss(at);
    at[i] = value - step;
    const below = loss(at);
    at[i] = value;
    return (above - below) / (2 * step);
  });
}

/** x + c v, with a c for each frame; frames are of equally many floats. */
export function flowStepTwin(x: Numbers, v: Numbers, c: Numbers): number[] {
  const size = x.length / c.length;
  return Array.from(x, (value, i) => value + c[Math.floor(i / size)]! * v[i]!);
}
