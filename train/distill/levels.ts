import { flowMatchTimes, type NoiseSchedule } from "../../model/scheduler.ts";
import type { DistillSettings } from "./settings.ts";

/** One step of the student, from a noise level to the next. */
export interface StudentStep {
  readonly from: number;
  readonly to: number;
}

/** The student's steps: those that the sampler takes. */
export function studentSteps(
  { steps }: Pick<DistillSettings, "steps">,
  noise: NoiseSchedule,
): StudentStep[] {
  const { sigmas } = flowMatchTimes(steps, noise);
  return Array.from({ length: steps }, (_, i) => ({ from: sigmas[i]!, to: sigmas[i + 1]! }));
}

/** Where the teacher is called, and how far its velocity leads; lengths are negative. */
export interface TeacherCall {
  /** Noise level of the call. */
  readonly sigma: number;
  /** How far it leads in the end. */
  readonly share: number;
  /** How much farther until the next call. */
  readonly ahead: number;
}

/**
 * The teacher's calls in each of the student's steps, `count` equal ones, all the way by the two-step
 * method of Adams and Bashforth, after Euler's first step: x + h ((1 + r/2) v - r/2 v') with r the
 * length of a step over that of the one before, so that a velocity's second part is known, and
 * negative, only with the next call.
 */
export function teacherCalls(steps: readonly StudentStep[], count: number): TeacherCall[][] {
  const sigmas = steps.flatMap(({ from, to }) =>
    Array.from({ length: count }, (_, k) => from + (to - from) * k / count)
  );
  const lengths = [...sigmas.slice(1), steps.at(-1)!.to].map((to, i) => to - sigmas[i]!);
  /** h r / 2 of a call. */
  const second = (k: number) => {
    const [before, length] = [lengths[k - 1], lengths[k]];
    return before === undefined || length === undefined ? 0 : length ** 2 / before / 2;
  };
  const calls = sigmas.map((sigma, k): TeacherCall => ({
    sigma,
    share: lengths[k]! + second(k) - second(k + 1),
    ahead: second(k + 1),
  }));
  return steps.map((_, i) => calls.slice(i * count, (i + 1) * count));
}
