/**
 * One head of q or k: RMS norm with a weight, then the rotation of adjacent pairs.
 * @param x 64 floats
 * @param angles of the 32 pairs, in radians
 */
export function normAndRotate(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  angles: readonly number[],
): Float64Array {
  let squares = 0;
  for (let i = 0; i < 64; i++) squares += x[i]! ** 2;
  const rms = Math.sqrt(squares / 64 + 1e-6);
  const out = new Float64Array(64);
  for (const [pair, angle] of angles.entries()) {
    const a = x[2 * pair]! / rms * weight[2 * pair]!;
    const b = x[2 * pair + 1]! / rms * weight[2 * pair + 1]!;
    out[2 * pair] = a * Math.cos(angle) - b * Math.sin(angle);
    out[2 * pair + 1] = b * Math.cos(angle) + a * Math.sin(angle);
  }
  return out;
}

/** Angles of the 32 pairs of a head at a position in (frame, row, column). */
export function headAngles(
  position: readonly [number, number, number],
  axes: readonly [number, number, number],
): number[] {
  return axes.flatMap((dim, axis) =>
    Array.from({ length: dim / 2 }, (_, i) => position[axis]! * 10000 ** (-2 * i / dim))
  );
}

/** Sizes of a pass, and where its frames are cached. */
export interface HeadsPass {
  readonly batch: number;
  /** Numbers of the frames of a video. */
  readonly frames: readonly number[];
  /** Tokens per frame, `columns` per row. */
  readonly tokens: number;
  readonly columns: number;
  readonly spread: number;
  readonly heads: number;
  readonly axes: readonly [number, number, number];
  readonly slots: number;
  readonly slotOf: (frame: number) => number;
  readonly normQ: Float32Array;
  readonly normK: Float32Array;
}

/** Queries, and the caches of keys and values, from all three of each token, [B, F, T, 3 d]. */
export function qkNormRopeReference(qkv: Float32Array | Float64Array, pass: HeadsPass) {
  const { batch, frames, tokens, columns, spread, heads, axes, slots, slotOf } = pass;
  const q = new Float64Array(qkv.length / 3);
  const k = new Float64Array(batch * heads * slots * 64);
  const v = new Float64Array(k.length);
  for (let i = 0; i < batch * frames.length * tokens * heads; i++) {
    const [head, row] = [i % heads, Math.floor(i / heads)];
    const token = row % tokens;
    const frame = Math.floor(row / tokens) % frames.length;
    const video = Math.floor(row / tokens / frames.length);
    const part = (n: number) => qkv.subarray(((row * 3 + n) * heads + head) * 64);
    const place = [Math.floor(token / columns) * spread, (token % columns) * spread] as const;
    const angles = headAngles([frames[frame]!, ...place], axes);
    const slot = ((video * heads + head) * slots + slotOf(frame) + token) * 64;
    q.set(normAndRotate(part(0), pass.normQ, angles).map((x) => x / 8), i * 64);
    k.set(normAndRotate(part(1), pass.normK, angles), slot);
    v.set(part(2).subarray(0, 64), slot);
  }
  return { q, k, v };
}
