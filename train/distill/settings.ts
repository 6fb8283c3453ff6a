import type { FarSizes } from "../../model/config.ts";
import type { NoiseSchedule } from "../../model/scheduler.ts";

/** How a model learns to take few large steps from its own, many small ones. */
export interface DistillSettings {
  /** Steps per frame that the student takes. */
  readonly steps: number;
  /** Guidance of the teacher, which the student learns to do without. */
  readonly guidance: number;
  /** Steps of the teacher in each of the student's. */
  readonly teacherSteps: number;
  /** Share of the videos that stay plain flow matching. */
  readonly flowShare: number;
  /** Share of the run's steps, the last ones, whose context the student made itself. */
  readonly ownContext: number;
}

/** What is given, and completed by the defaults. */
export type DistillOptions =
  & Pick<DistillSettings, "steps">
  & Partial<DistillSettings>
  & Partial<NoiseSchedule>;

/**
 * Noise levels of the student's steps: without a word to the contrary all are equally long, where
 * those of a released model end with one from 0.001 on, which adds nothing.
 * @param model that of the model to distill
 */
export function distilledSchedule(
  { steps, shift, shiftTerminal = 1 / steps }: DistillOptions,
  model: NoiseSchedule,
): NoiseSchedule {
  return { shift: shift ?? model.shift, ...(steps > 1 && { shiftTerminal }) };
}

/** What is taken unless it is given. */
export const DISTILL_DEFAULTS = {
  guidance: 1,
  teacherSteps: 4,
  flowShare: 0.25,
  ownContext: 0.2,
} as const satisfies Omit<DistillSettings, "steps">;

/**
 * The error of a taught frame's velocity, its root mean square, from which on it counts less than its
 * square. Without it, the few frames where a clip leaves several futures open make most of the
 * gradient (pseudo-Huber loss, arXiv 2310.14189).
 */
export const ERROR_SCALE = 0.05;

/** Completes what is given. */
export function distillSettings(
  { shift: _, shiftTerminal: __, ...given }: DistillOptions,
): DistillSettings {
  return { ...DISTILL_DEFAULTS, ...given };
}

/** @throws {RangeError} names the first setting that cannot be */
export function checkDistill(
  { steps, guidance, teacherSteps, flowShare, ownContext }: DistillSettings,
  { cleanContext, config: { condition } }: {
    readonly cleanContext: number | undefined;
    readonly config: Pick<FarSizes, "condition">;
  },
): void {
  const wrong = (what: string) => new RangeError(`Cannot distill ${what}`);
  if (cleanContext !== undefined) {
    throw wrong(`with cleanContext ${cleanContext}: every frame sees clean ones already`);
  }
  for (const [name, value] of [["steps", steps], ["teacherSteps", teacherSteps]] as const) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw wrong(`with ${name} ${value}: a whole number above 0 is needed`);
  }
  for (const [name, value] of [["flowShare", flowShare], ["ownContext", ownContext]] as const) {
    if (value >= 0 && value < 1 || name === "ownContext" && value === 1) continue;
    throw wrong(`with ${name} ${value}: a share from 0 to below 1 is needed`);
  }
  if (!(guidance >= 1 && guidance < Infinity)) {
    throw wrong(`with guidance ${guidance}: a number from 1 on is needed`);
  }
  if (guidance > 1 && condition.kind === "none") {
    throw wrong(`with guidance ${guidance}: the model has no condition to guide`);
  }
}
