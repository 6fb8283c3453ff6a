/** Training steps of the released models: timestep = 1000 sigma. */
const TRAIN_STEPS = 1000;
const fround = Math.fround;

/** Methods to integrate the flow from noise (sigma 1) to a frame (sigma 0). */
export const SOLVERS = ["euler", "ab2", "heun"] as const;
/** One of {@linkcode SOLVERS}. */
export type Solver = typeof SOLVERS[number];

/**
 * One call of the model and the update after it: x += c0 v + c1 v', where v is the velocity of this
 * call and v' that of the call before. c1 is 0 if v' is not needed (or does not exist).
 */
export interface SolverCall {
  /** 0..1000, a float32: what the noisy frame's time embedding is made from. */
  readonly timestep: number;
  readonly c0: number;
  readonly c1: number;
}

/** Times of a run: `steps` timesteps and `steps + 1` sigmas, of which the last is 0. */
export interface FlowMatchTimes {
  readonly timesteps: Float32Array;
  readonly sigmas: Float32Array;
}

/** How a model spaces its noise levels: entries of scheduler_config.json. */
export interface NoiseSchedule {
  /** sigma becomes shift sigma / (1 + (shift - 1) sigma): above 1 more steps are at high noise. */
  readonly shift: number;
  /** Noise level at which the last step begins, to which all are stretched; absent: they are not. */
  readonly shiftTerminal?: number;
}

/** The schedule of the released models. */
export const EVEN: NoiseSchedule = { shift: 1 };

/**
 * Noise levels that training draws from, a float32 each, from the highest to the least.
 *
 * Source: `sigmas` of a new FlowMatchEulerDiscreteScheduler of diffusers 0.32.2.
 */
export function trainedSigma(index: number, { shift }: NoiseSchedule = EVEN): number {
  const sigma = fround((TRAIN_STEPS - index) / TRAIN_STEPS);
  const below = fround(1 + fround(fround(shift - 1) * sigma));
  return fround(fround(fround(shift) * sigma) / below);
}

/**
 * The times of N steps: linear from the highest noise level of training to the least, then shifted
 * (once more, as levels of training are shifted already) and stretched; sigma_N = 0.
 *
 * Source: FlowMatchEulerDiscreteScheduler.set_timesteps of diffusers 0.32.2, with its roundings. A
 * single step cannot be stretched, which divides 0 by 0 there: here it stays as it is.
 *
 * @throws {RangeError} when `steps` is not a whole number from 1 to 1000.
 */
export function flowMatchTimes(steps: number, schedule: NoiseSchedule = EVEN): FlowMatchTimes {
  if (!Number.isInteger(steps) || steps < 1 || steps > TRAIN_STEPS) {
    throw new RangeError(
      `Cannot schedule ${steps} steps: steps must be a whole number from 1 to ${TRAIN_STEPS}`,
    );
  }
  const { shift } = schedule;
  const first = TRAIN_STEPS * trainedSigma(0, schedule);
  const last = TRAIN_STEPS * trainedSigma(TRAIN_STEPS - 1, schedule);
  const slope = (last - first) / (steps - 1);
  const even = Array.from({ length: steps }, (_, i) => {
    const timestep = i === 0 ? first : i === steps - 1 ? last : i * slope + first;
    const sigma = timestep / TRAIN_STEPS;
    return shift * sigma / (1 + (shift - 1) * sigma);
  });
  const sigmas = Float32Array.from([...stretched(even, schedule), 0]);
  const timesteps = sigmas.slice(0, steps).map((sigma) => sigma * TRAIN_STEPS);
  return { timesteps, sigmas };
}

/** Noise levels of which the last is the given one. */
function stretched(sigmas: readonly number[], { shiftTerminal }: NoiseSchedule): readonly number[] {
  const reach = 1 - sigmas.at(-1)!;
  if (shiftTerminal === undefined || reach === 0) return sigmas;
  const factor = reach / (1 - shiftTerminal);
  return sigmas.map((sigma) => 1 - (1 - sigma) / factor);
}

/**
 * The model calls of one frame in order, for x starting as noise:
 *
 * - `euler`: x += h v, one call per step, first order, as in the released code.
 * - `ab2`: two-step Adams-Bashforth for steps of unequal length, x += h ((1 + r/2) v - r/2 v') with
 *   r = h / h'; the first step is Euler's. One call per step, second order.
 * - `heun`: Euler's step, then a second call at its end for the trapezoidal rule: x += h/2 v2 - h/2
 *   v1. Second order, two calls per step except for the last, which stays Euler's: it ends at sigma
 *   0, for which no model was trained, and is 0.001 long where nothing is shifted (or the only one).
 *
 * @throws {RangeError} when `steps` is not a whole number from 1 to 1000.
 */
export function schedule(
  steps: number,
  solver: Solver = "euler",
  noise: NoiseSchedule = EVEN,
): SolverCall[] {
  const times = flowMatchTimes(steps, noise);
  return solver === "heun" ? heun(times) : multistep(times, solver);
}

function multistep({ timesteps, sigmas }: FlowMatchTimes, solver: "euler" | "ab2"): SolverCall[] {
  return Array.from(timesteps, (timestep, step) => {
    const h = fround(sigmas[step + 1]! - sigmas[step]!);
    if (solver === "euler") return { timestep, c0: h, c1: 0 };
    const half = step === 0 ? 0 : h * h / fround(sigmas[step]! - sigmas[step - 1]!) / 2;
    return { timestep, c0: fround(h + half), c1: fround(0 - half) };
  });
}

function heun({ timesteps, sigmas }: FlowMatchTimes): SolverCall[] {
  return Array.from(timesteps).flatMap((timestep, step) => {
    const h = fround(sigmas[step + 1]! - sigmas[step]!);
    const predictor = { timestep, c0: h, c1: 0 };
    if (step === timesteps.length - 1) return [predictor];
    return [predictor, { timestep: timesteps[step + 1]!, c0: h / 2, c1: -h / 2 }];
  });
}
