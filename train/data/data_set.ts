import type { TrainBatch } from "../settings.ts";
import type { Pick } from "./sampler.ts";

/** A clip's latents and classes. */
export interface LatentClip {
  /** Path, for messages. */
  readonly path: string;
  readonly frames: number;
  /** An action per frame, or one label; absent for a model without classes. */
  readonly classes?: Int32Array;
  /** Frames `start`, `start + stride`, ...: [count, C, h, w], without the scaling factor. */
  read(start: number, count: number, stride: number): Promise<Float32Array>;
}

/** Sizes that all clips of a data set share. */
export interface LatentSizes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** How windows are cut from clips. */
export interface WindowOptions {
  /** Frames of a window. */
  readonly frames: number;
  /** Distance between frames. */
  readonly interval: number;
}

/** Clips of latents, cut into windows in the way of the released data sets. */
export class DataSet {
  constructor(
    readonly clips: readonly LatentClip[],
    readonly sizes: LatentSizes,
    readonly window: WindowOptions,
  ) {}

  /** Number of possible window starts of each clip. */
  get starts(): number[] {
    return this.clips.map(({ frames }) => windowPlaces(frames, this.window));
  }

  /** Frames of all clips. */
  get frames(): number {
    return this.clips.reduce((sum, { frames }) => sum + frames, 0);
  }

  /** Reads the windows of a batch. */
  async batch(picks: readonly Pick[]): Promise<TrainBatch> {
    const { frames, interval } = this.window;
    const { channels, height, width } = this.sizes;
    const size = frames * channels * height * width;
    const latents = new Float32Array(picks.length * size);
    const classes: number[] = [];
    await Promise.all(picks.map(async ({ clip, start }, video) => {
      latents.set(await this.clips[clip]!.read(start, frames, interval), video * size);
    }));
    for (const { clip, start } of picks) {
      const own = this.clips[clip]!.classes;
      if (own?.length === 1) classes.push(own[0]!);
      else if (own) { for (let i = 0; i < frames; i++) classes.push(own[start + i * interval]!); }
    }
    const hasClasses = classes.length > 0;
    return {
      videos: picks.length,
      frames,
      latents,
      ...(hasClasses && { classes: Int32Array.from(classes) }),
    };
  }
}

/** Number of possible window starts; 0 or less if the clip is too short. */
export function windowPlaces(frames: number, { frames: wanted, interval }: WindowOptions): number {
  return frames - (wanted - 1) * interval;
}
