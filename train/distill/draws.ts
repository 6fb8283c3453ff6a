import type { StepDraws } from "../draws.ts";
import { splitFrames } from "../inputs.ts";
import type { TrainerSettings } from "../settings.ts";
import type { DistillSettings } from "./settings.ts";

/** Settings of a run that distills. */
export type DistillingSettings = TrainerSettings & { readonly distill: DistillSettings };

/** Frames before the newest that the student makes itself: each takes all of its steps. */
const OWN_FRAMES = 2;

/**
 * What a step draws, arranged for distillation without another draw. Every frame of the window is
 * taught, and sees clean frames as it will when it is generated: all are there twice. In the last
 * steps only the newest is, since it sees frames that the student makes itself. Videos that stay
 * plain flow matching keep their noise levels.
 * @param step number of the optimiser step, from 1; 0 teaches all videos, for validation
 */
export function distillDraws(
  settings: DistillingSettings,
  step: number,
  draws: StepDraws,
  videos: number,
): StepDraws {
  const { distill, steps } = settings;
  const { frames } = draws;
  const newest = frames - 1;
  const ownSteps = Math.round(steps * distill.ownContext);
  const ownFrames = step > steps - ownSteps
    ? Math.min(OWN_FRAMES, splitFrames(settings, frames).window - 1)
    : 0;
  const twins = ownFrames === 0;
  const clean = twins ? draws.clean : draws.clean.map((_, i) => Number(i % frames !== newest));
  const own = clean.map((_, i) => Number(i % frames < newest && i % frames >= newest - ownFrames));
  const taughtVideos = videos - (step === 0 ? 0 : flowVideos(distill.flowShare, step, videos));
  const taught = clean.map((isClean, i) => Number(!isClean && i < taughtVideos * frames));
  return { ...draws, clean, distilled: { taught, own, twins } };
}

/** Videos of a step that stay plain flow matching: over many steps exactly their share. */
function flowVideos(share: number, step: number, videos: number): number {
  return Math.floor(share * videos * step) - Math.floor(share * videos * (step - 1));
}
