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
 * The teacher's `count` equal steps in a step of the student, by the two-step method of Adams and
 * Bashforth: x + h (3/2 v - 1/2 v'), after Euler's first step. Their sum up to step k is
 * h (v0 / 2 + v1 + ... + v(k-1)) + h/2 v(k-1), of which the last term is gone in the next step.
 */
export function teacherCalls({ from, to }: StudentStep, count: number): TeacherCall[] {
  return Array.from({ length: count }, (_, k) => {
    const halves = 2 - Number(k === 0) + Number(k === count - 1);
    return {
      sigma: from + (to - from) * k / count,
      share: halves / (2 * count),
      ahead: 1 / (2 * count),
    };
  });
}
