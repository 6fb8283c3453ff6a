import type { TrainBatch, TrainerSettings } from "./settings.ts";

/**
 * @throws {RangeError} a batch whose sizes differ from the settings, or with classes out of range
 */
export function checkBatch(
  { config, height, width, batch, frames }: TrainerSettings,
  given: TrainBatch,
): void {
  const { channels, condition } = config;
  const wrong = (what: string) => new RangeError(`Cannot train on this batch: ${what}`);
  if (given.videos < 1 || given.videos > batch || given.frames !== frames) {
    throw wrong(`${given.videos} videos of ${given.frames} frames, not ${batch} of ${frames}`);
  }
  const floats = given.videos * frames * channels * height * width;
  if (given.latents.length !== floats) {
    throw wrong(`${given.latents.length} latents, not ${floats}`);
  }
  if (condition.kind === "none") return;
  const count = given.videos * (condition.kind === "action" ? frames : 1);
  if (given.classes?.length !== count) {
    throw wrong(`${given.classes?.length ?? 0} ${condition.kind}s, not ${count}`);
  }
  const outside = given.classes.find((value) => value < 0 || value > condition.count);
  if (outside !== undefined) {
    throw wrong(`${condition.kind} ${outside} is not one of ${condition.count} classes`);
  }
}

/** Several batches as one. */
export function joinBatches(parts: readonly TrainBatch[]): TrainBatch {
  if (parts.length === 1) return parts[0]!;
  const latents = new Float32Array(parts.reduce((sum, part) => sum + part.latents.length, 0));
  const classes = new Int32Array(
    parts.reduce((sum, { classes }) => sum + (classes?.length ?? 0), 0),
  );
  let [latent, index] = [0, 0];
  for (const part of parts) {
    latents.set(part.latents, latent);
    latent += part.latents.length;
    if (!part.classes) continue;
    classes.set(part.classes, index);
    index += part.classes.length;
  }
  return {
    videos: parts.reduce((sum, { videos }) => sum + videos, 0),
    frames: parts[0]!.frames,
    latents,
    ...(parts[0]!.classes && { classes }),
  };
}
