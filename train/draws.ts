import { CpuGenerator } from "../run/noise.ts";
import { PythonRandom } from "./python_random.ts";
import type { RandomState, TrainerSettings } from "./settings.ts";

/** Random values of a step, drawn from `torch` and Python's `random`. Videos come before frames. */
export interface StepDraws {
  /** Frames per video of the step, and the first of them in the batch. */
  readonly frames: number;
  readonly start: number;
  /** [b, n, C, h, w] standard normal. */
  readonly noise: Float32Array;
  /** [b, n]: 0 is pure noise, 999 almost clean. */
  readonly sigmaIndex: Int32Array;
  /** [b, n]: frames given clean. */
  readonly clean: Uint8Array;
  /** [b, n], or [b] for labels: conditions replaced by the null class. */
  readonly dropped: Uint8Array;
  /** [b, n], if a model is distilled. */
  readonly distilled?: DistilledFrames;
}

/** How frames differ from those of training where a model is distilled; all are [b, n]. */
export interface DistilledFrames {
  /** Frames that the teacher teaches, from their noise on; others are noised as in training. */
  readonly taught: Uint8Array;
  /** Clean frames that the student makes itself, from their noise. */
  readonly own: Uint8Array;
  /** Whether the window's frames are there twice, clean and noisy (`TokenLayout`). */
  readonly twins: boolean;
}

/** Noise levels that training draws from. */
export const NOISE_LEVELS = 1000;

/** Both generators of a run, seeded as the released trainer's `set_seed` does. */
export class StepRandom {
  readonly #torch: CpuGenerator;
  readonly #python: PythonRandom;

  constructor(seed: number) {
    this.#torch = new CpuGenerator(seed);
    this.#python = new PythonRandom(seed);
  }

  get state(): RandomState {
    return { torch: this.#torch.state, python: this.#python.state };
  }

  /** @throws {RangeError} it is not a valid state */
  set state({ torch, python }: RandomState) {
    this.#torch.state = torch;
    this.#python.state = python;
  }

  /** Draws `count` standard normal numbers. */
  normal(count: number): Float32Array {
    return this.#torch.randn(count);
  }

  /**
   * Draws for one step, in the order of the released trainer on a CPU.
   * @param videos of the whole step
   * @param available frames per video in the batch
   */
  draw(settings: TrainerSettings, videos: number, available: number): StepDraws {
    const torch = this.#torch;
    const { config: { channels, trainedWindow: window }, height, width } = settings;
    const long = settings.trainingType === "long_context";
    const frames = long ? torch.randint(window, available) : available;
    const start = long ? this.#python.randint(0, available - frames) : 0;
    const count = videos * frames;
    const noise = torch.randn(count * channels * height * width);
    const sigmaIndex = Int32Array.from(
      settings.weighting === "logit_normal" ? torch.randn(count).map(sigmoid) : torch.rand(count),
      (u) => Math.floor(Math.fround(u * NOISE_LEVELS)),
    );
    const clean = this.#drawClean(settings, videos, frames, long ? window : frames);
    const dropped = this.#drawDropped(settings, videos, frames);
    return { frames, start, noise, sigmaIndex, clean, dropped };
  }

  /** Long-term context, the frames before the window, is clean. */
  #drawClean(
    { cleanContext }: TrainerSettings,
    videos: number,
    frames: number,
    drawn: number,
  ): Uint8Array {
    const clean = new Uint8Array(videos * frames);
    const random = cleanContext === undefined ? undefined : this.#torch.rand(videos * drawn);
    for (let i = 0; i < clean.length; i++) {
      const frame = i % frames - (frames - drawn);
      const at = Math.floor(i / frames) * drawn + frame;
      clean[i] = Number(frame < 0 || (random !== undefined && random[at]! < cleanContext!));
    }
    return clean;
  }

  /** FAR_Long draws for its window's actions first, then for its context's. */
  #drawDropped(
    { config, conditionDropout, trainingType }: TrainerSettings,
    videos: number,
    frames: number,
  ): Uint8Array {
    const { kind } = config.condition;
    const count = kind === "label" ? videos : videos * frames;
    if (kind === "none" || conditionDropout === 0) return new Uint8Array(count);
    const isDropped = (value: number) => Number(value < conditionDropout);
    if (kind === "label" || config.contextPatch === undefined) {
      return Uint8Array.from(this.#torch.rand(count), isDropped);
    }
    const window = trainingType === "long_context"
      ? config.trainedWindow
      : Math.min(frames, config.window);
    const dropped = new Uint8Array(count);
    for (const [first, length] of [[frames - window, window], [0, frames - window]] as const) {
      for (const [i, value] of this.#torch.rand(videos * length).entries()) {
        dropped[Math.floor(i / length) * frames + first + i % length] = isDropped(value);
      }
    }
    return dropped;
  }
}

function sigmoid(z: number): number {
  return Math.fround(1 / Math.fround(1 + Math.fround(Math.exp(-z))));
}
