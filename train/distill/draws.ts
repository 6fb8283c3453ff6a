import { trainedSigma } from "../../model/scheduler.ts";
import type { StepDraws } from "../draws.ts";
import { splitFrames } from "../inputs.ts";
import type { TrainerSettings } from "../settings.ts";
import { stepOf, studentSteps } from "./levels.ts";
import type { DistillSettings } from "./settings.ts";

/** Settings of a run that distills. */
export type DistillingSettings = TrainerSettings & { readonly distill: DistillSettings };

/** Frames before the newest that the student makes itself: each takes all of its steps. */
const OWN_FRAMES = 2;

/**
 * What a step draws, arranged for distillation without another draw: noise levels become those at
 * which the student's steps begin, and videos that stay plain flow matching keep theirs. Every frame
 * of the window is taught, and sees clean frames as it will when it is generated: all are there
 * twice. In the last steps only the newest is, since it sees frames that the student makes itself.
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
  const students = studentSteps(distill, settings.noise);
  const sigmaOf = (index: number) => trainedSigma(index, settings.noise);
  const taught = videos - (step === 0 ? 0 : flowVideos(distill.flowShare, step, videos));
  const studentStep = Int32Array.from(
    draws.sigmaIndex,
    (index, i) => clean[i] || i >= taught * frames ? -1 : stepOf(students, sigmaOf(index)),
  );
  const sigma = Float32Array.from(
    draws.sigmaIndex,
    (index, i) => students[studentStep[i]!]?.from ?? sigmaOf(index),
  );
  return { ...draws, clean, distilled: { sigma, studentStep, own, twins } };
}

/** Videos of a step that stay plain flow matching: over many steps exactly their share. */
function flowVideos(share: number, step: number, videos: number): number {
  return Math.floor(share * videos * step) - Math.floor(share * videos * (step - 1));
}
