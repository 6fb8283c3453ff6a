import assert from "node:assert/strict";

/** Largest absolute difference over the largest absolute expected value. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length, "lengths differ");
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(d)) return Infinity;
    difference = Math.max(difference, d);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return scale === 0 ? difference : difference / scale;
}

/** Fails unless max|a - b| / max|b| is at most `tolerance`. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = "values",
): void {
  const error = relativeError(actual, expected);
  assert.ok(error <= tolerance, `${what}: relative error ${error} exceeds ${tolerance}`);
}

/** The golden that is compared, the part of it, and the kernels that computed it. */
export interface GoldenCase {
  readonly golden: string;
  readonly what: string;
  readonly by: string;
  /** The largest error that passes. */
  readonly tolerance: number;
}

/**
 * Fails unless each of a golden's tensors is near enough, and prints the worst as a line of the
 * table that `tools/golden_table.ts` makes.
 */
export function assertGolden(
  { golden, what, by, tolerance }: GoldenCase,
  errors: Readonly<Record<string, number>>,
): void {
  const all = Object.entries(errors);
  for (const [name, error] of all) {
    assert.ok(error <= tolerance, `${golden} ${name}: error ${error} exceeds ${tolerance}, ${by}`);
  }
  const error = Math.max(...Object.values(errors));
  const line = { golden, what, by, tensors: all.length, error, tolerance };
  console.error(`golden ${JSON.stringify(line)}`);
}
