import { countFrames, type TokenLayout, windowLength } from "../kernels/modulated_norm.ts";
import { rounded, TIMESTEP_WIDTH, timestepProjection } from "../model/embeddings.ts";
import { CLEAN, CONTEXT } from "../model/modulation.ts";
import { trainedSigma } from "../model/scheduler.ts";
import { ERROR_SCALE } from "./distill/settings.ts";
import { NOISE_LEVELS, type StepDraws } from "./draws.ts";
import type { TrainBatch, TrainerSettings } from "./settings.ts";

/** Inputs of the device for a part of a step; rows in the order of `TokenLayout`. */
export interface PassInputs {
  readonly layout: TokenLayout;
  readonly window: Float32Array;
  readonly context: Float32Array;
  readonly expected: Float32Array;
  readonly timesteps: Float32Array;
  readonly classes: Uint32Array;
  readonly weights: Float32Array;
  readonly limits: Float32Array;
}

const { fround } = Math;

/** Splits the frames of a step into long-term context and window. */
export function splitFrames(
  { config: { contextPatch, trainedWindow } }: TrainerSettings,
  frames: number,
): { readonly context: number; readonly window: number } {
  const window = contextPatch === undefined ? frames : Math.min(frames, trainedWindow);
  return { context: frames - window, window };
}

/**
 * PyTorch's vectorised exp gives the fourth frequency one ulp less than the rounded exact value.
 */
const FOURTH_FREQUENCY = 0.7481966018676758;

/**
 * `timestepProjection` as PyTorch computes it: an ulp of a frequency times 1000 shows in gradients.
 */
export function projectTimestep(timestep: number): Float32Array {
  const projection = timestepProjection(timestep);
  const angle = fround(fround(timestep) * FOURTH_FREQUENCY);
  projection[4] = Math.cos(angle);
  projection[TIMESTEP_WIDTH / 2 + 4] = Math.sin(angle);
  return projection;
}

/** Videos of a pass, frames of each, and whether those of its window are there twice. */
export interface PassSize {
  readonly videos: number;
  readonly frames: number;
  /** As in `TokenLayout`. */
  readonly twins?: boolean;
}

/** Row layout of a pass. */
export function layoutOf(settings: TrainerSettings, size: PassSize): TokenLayout {
  const { config: { patch, contextPatch = patch }, height, width } = settings;
  const { videos, frames, twins = false } = size;
  const { context, window } = splitFrames(settings, frames);
  return {
    videos,
    twins,
    contextFrames: context,
    windowFrames: twins ? 2 * window : window,
    contextTokens: height * width / contextPatch ** 2,
    windowTokens: height * width / patch ** 2,
  };
}

/** A frame's sigma, timestep for the embedding, and weight in the loss. */
interface FrameNumbers {
  /** NaN where the frame is clean. */
  readonly sigma: number;
  /** Whether its target is found on the device. */
  readonly taught: boolean;
  readonly timestep: number;
  readonly weight: number;
}

/**
 * Arranges videos [first, first + count) of a step: adds noise, cuts patches and computes weights.
 * @param lossScale scale of gradients
 */
export function arrangeInputs(
  settings: TrainerSettings,
  batch: TrainBatch,
  draws: StepDraws,
  { first, count, lossScale }: Record<"first" | "count" | "lossScale", number>,
): PassInputs {
  const { config, height, width } = settings;
  const twins = draws.distilled?.twins;
  const layout = layoutOf(settings, { videos: count, frames: draws.frames, twins });
  const { contextFrames, windowFrames } = layout;
  const frameSize = config.channels * height * width;
  const frames = countFrames(layout);
  const inputs = {
    layout,
    window: new Float32Array(count * windowFrames * frameSize),
    context: new Float32Array(count * contextFrames * frameSize),
    expected: new Float32Array(count * windowFrames * frameSize),
    timesteps: new Float32Array(frames * TIMESTEP_WIDTH),
    classes: new Uint32Array(frames),
    weights: new Float32Array(count * windowFrames + 1).fill(lossScale),
    limits: new Float32Array(count * windowFrames),
  };
  for (let video = 0; video < count; video++) {
    const weights = frameWeights(settings, draws, first + video, batch.videos);
    for (const { frame, at, inWindow, alwaysClean } of placesOf(layout, video)) {
      const drawn = (first + video) * draws.frames + frame;
      const numbers = alwaysClean
        ? CLEAN_TWIN
        : frameNumbers(settings, draws, drawn, inWindow, weights[frame]!);
      inputs.timesteps.set(projectTimestep(numbers.timestep), at * TIMESTEP_WIDTH);
      inputs.classes[at] = classOf(settings, batch, draws, first + video, frame);
      const noised = noiseFrame(settings, batch, draws, { video: first + video, frame }, numbers);
      if (inWindow) {
        inputs.weights[at] = numbers.weight;
        inputs.limits[at] = numbers.taught ? 1 / ERROR_SCALE ** 2 : 0;
        patchify(settings, config.patch, noised.x, inputs.window, at * frameSize);
        patchify(settings, config.patch, noised.target, inputs.expected, at * frameSize);
      } else {
        const place = (at - count * windowFrames) * frameSize;
        patchify(settings, config.contextPatch!, noised.x, inputs.context, place);
      }
    }
  }
  return inputs;
}

/** Where a frame of a video stands among all frames of a pass. */
interface FramePlace {
  /** Of the video. */
  readonly frame: number;
  /** Windows of all videos come first. */
  readonly at: number;
  readonly inWindow: boolean;
  /** The clean one of twins. */
  readonly alwaysClean: boolean;
}

function placesOf(layout: TokenLayout, video: number): FramePlace[] {
  const { videos, contextFrames, windowFrames } = layout;
  const length = windowLength(layout);
  const context = Array.from({ length: contextFrames }, (_, frame) => ({
    frame,
    at: videos * windowFrames + video * contextFrames + frame,
    ...{ inWindow: false, alwaysClean: false },
  }));
  const window = Array.from({ length: windowFrames }, (_, i) => ({
    frame: contextFrames + i % length,
    at: video * windowFrames + i,
    ...{ inWindow: true, alwaysClean: i < windowFrames - length },
  }));
  return [...context, ...window];
}

/** 2 (1 - clean) / (b noisy c h w) for each frame of a video; 0 before the window of the loss. */
function frameWeights(
  { config: { channels, trainedWindow }, height, width }: TrainerSettings,
  { frames, clean }: StepDraws,
  video: number,
  videos: number,
): number[] {
  const noisy = Array.from({ length: frames }, (_, frame) => {
    const counts = frame >= frames - trainedWindow;
    return counts && !clean[video * frames + frame] ? 1 : 0;
  });
  const sum = noisy.reduce<number>((a, b) => a + b, 0) + 1e-9;
  return noisy.map((n) => 2 * n / (videos * sum * channels * height * width));
}

const CLEAN_TWIN: FrameNumbers = { sigma: NaN, taught: false, timestep: CLEAN, weight: 0 };

function frameNumbers(
  settings: TrainerSettings,
  { clean, sigmaIndex, distilled }: StepDraws,
  drawn: number,
  inWindow: boolean,
  weight: number,
): FrameNumbers {
  const own = distilled?.own[drawn] === 1;
  if (clean[drawn]) {
    const timestep = inWindow ? CLEAN : CONTEXT;
    return { sigma: own ? 1 : NaN, taught: false, timestep, weight };
  }
  const taught = distilled?.taught[drawn] === 1;
  const sigma = taught ? 1 : trainedSigma(sigmaIndex[drawn]!, settings.noise);
  const timestep = rounded(fround(sigma * NOISE_LEVELS), settings.timesteps);
  const share = taught ? 1 / settings.distill!.steps : 1; // of the passes in which it is trained
  return { sigma, taught, timestep, weight: share * weight };
}

function classOf(
  { config: { condition } }: TrainerSettings,
  { classes, frames }: TrainBatch,
  draws: StepDraws,
  video: number,
  frame: number,
): number {
  if (condition.kind === "none") return 0;
  const label = condition.kind === "label";
  if (draws.dropped[label ? video : video * draws.frames + frame]) return condition.count;
  return classes![label ? video : video * frames + draws.start + frame]!;
}

/** x_t = sigma e + (1 - sigma) x0, or x0 where sigma is NaN, and the target e - x0, or 0. */
function noiseFrame(
  { config: { channels }, height, width, scalingFactor }: TrainerSettings,
  batch: TrainBatch,
  draws: StepDraws,
  { video, frame }: { readonly video: number; readonly frame: number },
  { sigma, taught }: FrameNumbers,
): { readonly x: Float32Array; readonly target: Float32Array } {
  const count = channels * height * width;
  const source = (video * batch.frames + draws.start + frame) * count;
  const noise = (video * draws.frames + frame) * count;
  const x = new Float32Array(count);
  const target = new Float32Array(count);
  const factor = fround(scalingFactor);
  const rest = fround(1 - sigma);
  for (let i = 0; i < count; i++) {
    const x0 = fround(batch.latents[source + i]! * factor);
    const e = draws.noise[noise + i]!;
    x[i] = Number.isNaN(sigma) ? x0 : fround(sigma * e) + fround(rest * x0);
    target[i] = taught ? 0 : e - x0;
  }
  return { x, target };
}

/** A frame [c, h, w] as tokens by row and column, '(c p1 p2)' each. */
function patchify(
  { config: { channels }, height, width }: TrainerSettings,
  patch: number,
  frame: Float32Array,
  to: Float32Array,
  at: number,
): void {
  const columns = width / patch;
  const features = channels * patch * patch;
  let i = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const token = Math.floor(y / patch) * columns + Math.floor(x / patch);
        const feature = (channel * patch + y % patch) * patch + x % patch;
        to[at + token * features + feature] = frame[i++]!;
      }
    }
  }
}
