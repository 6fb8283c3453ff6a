import { flowMatchTimes } from "../../model/scheduler.ts";
import type { DistillSettings } from "./settings.ts";

/** One step of the student, from a noise level to the next. */
export interface StudentStep {
  readonly from: number;
  readonly to: number;
  /** Noise levels of the teacher between them, both included. */
  readonly teacher: readonly number[];
}

/**
 * The student's steps are those of the sampler. The teacher takes the sampler's steps too, so many
 * that each of the student's holds `teacherSteps` of them; but the last, from 0.001 on, is one step
 * for both. A single step of the student is all steps of the teacher.
 */
export function studentSteps(
  { steps, teacherSteps }: Pick<DistillSettings, "steps" | "teacherSteps">,
): StudentStep[] {
  const { sigmas } = flowMatchTimes(steps);
  if (steps === 1) {
    return [{ from: 1, to: 0, teacher: [...flowMatchTimes(teacherSteps).sigmas] }];
  }
  const fine = flowMatchTimes((steps - 1) * teacherSteps + 1).sigmas;
  return Array.from({ length: steps }, (_, i) => ({
    from: sigmas[i]!,
    to: sigmas[i + 1]!,
    teacher: [...fine.slice(i * teacherSteps, (i + 1) * teacherSteps + 1)],
  }));
}

/** Index of the step in which a noise level above 0 lies. */
export function stepOf(steps: readonly StudentStep[], sigma: number): number {
  return steps.findLastIndex(({ from }) => from >= sigma);
}
