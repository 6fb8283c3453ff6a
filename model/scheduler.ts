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
  /** Which step, from 0, this call belongs to: Heun's method calls twice in most steps. */
  readonly step: number;
  /** 0..1000, a float32: what the noisy frame's time embedding is made from. */
  readonly timestep: number;
  readonly c0: number;
  readonly c1: number;
  /** Whether the next call's update needs this call's velocity as its v'. */
  readonly keepsVelocity: boolean;
}

/** Times of a run: `steps` timesteps and `steps + 1` sigmas, of which the last is 0. */
export interface FlowMatchTimes {
  readonly timesteps: Float32Array;
  readonly sigmas: Float32Array;
}

/**
 * The times of N steps, linear from timestep 1000 to 1: sigma_i = timestep_i / 1000, sigma_N = 0.
 *
 * Source: FlowMatchEulerDiscreteScheduler of diffusers 0.32.2 with shift 1, with its roundings.
 *
 * @throws {RangeError} when `steps` is not a whole number from 1 to 1000.
 */
export function flowMatchTimes(steps: number): FlowMatchTimes {
  if (!Number.isInteger(steps) || steps < 1 || steps > TRAIN_STEPS) {
    throw new RangeError(
      `Cannot schedule ${steps} steps: steps must be a whole number from 1 to ${TRAIN_STEPS}`,
    );
  }
  const last = TRAIN_STEPS * fround(1 / TRAIN_STEPS); // the least sigma is kept in float32
  const slope = (last - TRAIN_STEPS) / (steps - 1);
  const sigmas = new Float32Array(steps + 1);
  for (let i = 0; i < steps; i++) {
    const timestep = i === 0 ? TRAIN_STEPS : i === steps - 1 ? last : i * slope + TRAIN_STEPS;
    sigmas[i] = timestep / TRAIN_STEPS;
  }
  const timesteps = sigmas.slice(0, steps).map((sigma) => sigma * TRAIN_STEPS);
  return { timesteps, sigmas };
}

/**
 * The model calls of one frame in order, for x starting as noise:
 *
 * - `euler`: x += h v, one call per step, first order, as in the released code.
 * - `ab2`: two-step Adams-Bashforth for steps of unequal length, x += h ((1 + r/2) v - r/2 v') with
 *   r = h / h'; the first step is Euler's. One call per step, second order.
 * - `heun`: Euler's step, then a second call at its end for the trapezoidal rule: x += h/2 v2 - h/2
 *   v1. Second order, two calls per step except for the last, which stays Euler's: it ends at sigma
 *   0, for which no model was trained, and is 0.001 long (or the only one).
 *
 * @throws {RangeError} when `steps` is not a whole number from 1 to 1000.
 */
export function schedule(steps: number, solver: Solver = "euler"): SolverCall[] {
  const times = flowMatchTimes(steps);
  return solver === "heun" ? heun(times) : multistep(times, solver);
}

function multistep({ timesteps, sigmas }: FlowMatchTimes, solver: "euler" | "ab2"): SolverCall[] {
  const steps = timesteps.length;
  return Array.from(timesteps, (timestep, step) => {
    const h = fround(sigmas[step + 1]! - sigmas[step]!);
    if (solver === "euler") return { step, timestep, c0: h, c1: 0, keepsVelocity: false };
    const half = step === 0 ? 0 : h * h / fround(sigmas[step]! - sigmas[step - 1]!) / 2;
    const keepsVelocity = step < steps - 1;
    return { step, timestep, c0: fround(h + half), c1: fround(0 - half), keepsVelocity };
  });
}

function heun({ timesteps, sigmas }: FlowMatchTimes): SolverCall[] {
  const last = timesteps.length - 1;
  return Array.from(timesteps).flatMap((timestep, step) => {
    const h = fround(sigmas[step + 1]! - sigmas[step]!);
    const predictor = { step, timestep, c0: h, c1: 0, keepsVelocity: step < last };
    if (step === last) return [predictor];
    const corrector = {
      step,
      timestep: timesteps[step + 1]!,
      c0: h / 2,
      c1: -h / 2,
      keepsVelocity: false,
    };
    return [predictor, corrector];
  });
}
