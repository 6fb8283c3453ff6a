/**
 * Box-Muller in float32 with exactly the roundings of PyTorch's AVX2 code, whose logarithm, sine
 * and cosine are the polynomials of Cephes (`logf.c`, `sinf.c`) with fused multiply-add. Another
 * libm would differ by an ulp or two, so not be equal bit for bit.
 *
 * A fused multiply-add of floats is written `fround(a * b + c)`: in doubles the product is exact.
 *
 * Source: PyTorch 2.5.1, aten/src/ATen/native/cpu/avx_mathfun.h and DistributionTemplates.h.
 */

const fround = Math.fround;

const TWO_PI = fround(2 * Math.PI);
const FOUR_OVER_PI = fround(4 / Math.PI);
/** pi / 4 split in three, so that multiples of the first two parts are exact. */
const PI4_A = fround(-0.78515625);
const PI4_B = fround(-2.4187564849853515625e-4);
const PI4_C = fround(-3.77489497744594108e-8);
const SIN_0 = fround(-1.9515295891e-4);
const SIN_1 = fround(8.3321608736e-3);
const SIN_2 = fround(-1.6666654611e-1);
const COS_0 = fround(2.443315711809948e-5);
const COS_1 = fround(-1.388731625493765e-3);
const COS_2 = fround(4.166664568298827e-2);

const SQRT_HALF = fround(Math.SQRT1_2);
/** log 2 as the difference of a short float and a small correction. */
const LOG2_HIGH = fround(0.693359375);
const LOG2_LOW = fround(-2.1219444e-4);
const LOG_0 = fround(7.0376836292e-2);
const LOG_1 = fround(-1.151461031e-1);
const LOG_2 = fround(1.167699874e-1);
const LOG_3 = fround(-1.2420140846e-1);
const LOG_4 = fround(1.4249322787e-1);
const LOG_5 = fround(-1.6668057665e-1);
const LOG_6 = fround(2.0000714765e-1);
const LOG_7 = fround(-2.4999993993e-1);
const LOG_8 = fround(3.3333331174e-1);

/**
 * Turns 16 uniform numbers in [0, 1) at `offset` of `data` into 16 normal ones, in place: number j
 * gives the radius and number j + 8 the angle of results j and j + 8.
 */
export function boxMuller16(data: Float32Array, offset: number): void {
  for (let j = offset; j < offset + 8; j++) {
    const radius = fround(Math.sqrt(-2 * log(fround(1 - data[j]!))));
    const theta = fround(TWO_PI * data[j + 8]!);
    // Octant pairs: theta = octant * pi / 4 + x with x in [-pi / 4, pi / 4].
    const octant = (Math.trunc(fround(theta * FOUR_OVER_PI)) + 1) & ~1;
    let x = fround(theta + octant * PI4_A);
    x = fround(x + octant * PI4_B);
    x = fround(x + octant * PI4_C);
    const z = fround(x * x);
    const cosine = cosinePolynomial(z);
    const sine = sinePolynomial(x, z);
    const swap = (octant & 2) !== 0;
    const cosTheta = ((octant + 2) & 4) !== 0 ? -(swap ? sine : cosine) : swap ? sine : cosine;
    const sinTheta = (octant & 4) !== 0 ? -(swap ? cosine : sine) : swap ? cosine : sine;
    // Adding zero turns -0 into 0, as the final multiply-add with a mean of 0 does.
    data[j] = radius * cosTheta + 0;
    data[j + 8] = radius * sinTheta + 0;
  }
}

/** cos x for |x| <= pi / 4, from z = x x. */
function cosinePolynomial(z: number): number {
  let y = fround(COS_0 * z + COS_1);
  y = fround(y * z + COS_2);
  y = fround(y * z);
  return fround(fround(y * z - 0.5 * z) + 1);
}

/** sin x for |x| <= pi / 4; z = x x. */
function sinePolynomial(x: number, z: number): number {
  let y = fround(SIN_0 * z + SIN_1);
  y = fround(y * z + SIN_2);
  y = fround(y * z);
  return fround(y * x + x);
}

/** log u for u in (0, 1], a multiple of 2^-24. */
function log(u: number): number {
  // u = mantissa 2^exponent with the mantissa in [sqrt(1/2), sqrt(2)).
  let exponent = 0;
  let mantissa = u;
  while (mantissa < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  if (mantissa < SQRT_HALF) {
    mantissa *= 2;
    exponent--;
  }
  const x = mantissa - 1;
  const z = fround(x * x);
  let y = fround(LOG_0 * x + LOG_1);
  y = fround(y * x + LOG_2);
  y = fround(y * x + LOG_3);
  y = fround(y * x + LOG_4);
  y = fround(y * x + LOG_5);
  y = fround(y * x + LOG_6);
  y = fround(y * x + LOG_7);
  y = fround(y * x + LOG_8);
  y = fround(y * x);
  y = fround(y * z + fround(exponent * LOG2_LOW));
  y = fround(y - 0.5 * z);
  return fround(exponent * LOG2_HIGH + fround(x + y));
}
