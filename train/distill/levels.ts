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

/** Where the teacher is called in a student's step, and what becomes of its velocity. */
export interface TeacherCall {
  /** Noise level of the call. */
  readonly sigma: number;
  /** Its share of the student's velocity. */
  readonly share: number;
  /** What it adds to that until the next call. */
  readonly ahead: number;
}

/**
 * The teacher's steps within the last of the student's grow shorter towards sigma 0, where velocities
 * change most: (1 - k / count) ** GRADE of it is left after k of them. Elsewhere they are equal.
 */
const GRADE = 1.5;

/**
 * The teacher's `count` steps in a step of the student, by the two-step method of Adams and Bashforth:
 * x + h ((1 + r/2) v - r/2 v') with r = h / h', after Euler's first step. Of a velocity's share in the
 * sum, r/2 h of the next step are gone when that is taken.
 */
export function teacherCalls({ from, to }: StudentStep, count: number): TeacherCall[] {
  const grade = to === 0 ? GRADE : 1;
  const left = Array.from({ length: count + 1 }, (_, k) => (1 - k / count) ** grade);
  const length = (k: number) => left[k]! - left[k + 1]!;
  const ahead = (k: number) => k === 0 || k === count ? 0 : length(k) ** 2 / length(k - 1) / 2;
  return Array.from({ length: count }, (_, k) => ({
    sigma: to + (from - to) * left[k]!,
    share: length(k) + ahead(k) - ahead(k + 1),
    ahead: ahead(k + 1),
  }));
}
