import type { ByteSink } from "./byte_sink.ts";
import { MediaError } from "./errors.ts";
import type { FrameFormat } from "./frame_writer.ts";
import type { RgbFrame } from "./frames.ts";
import type { NpyArray } from "./npy.ts";
import { encodeNpz } from "./npz.ts";

/** What is stored with the frames. */
export interface NpzOptions {
  readonly width: number;
  readonly height: number;
  readonly actions?: readonly number[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes the layout of FAR's data sets: `video` uint8 (T, H, W, 3) and `actions` int64 (T), where
 * action i led to frame i.
 */
export class NpzWriter implements FrameFormat {
  #frames: Uint8Array[] = [];

  constructor(readonly sink: ByteSink, readonly options: NpzOptions) {}

  write(frame: RgbFrame): Promise<void> {
    this.#frames.push(frame.data.slice());
    return Promise.resolve();
  }

  async finish(): Promise<void> {
    const { width, height, actions, metadata } = this.options;
    const count = this.#frames.length;
    const size = width * height * 3;
    const data = new Uint8Array(count * size);
    this.#frames.forEach((frame, k) => data.set(frame, k * size));
    const arrays: Record<string, NpyArray> = {
      video: { type: "|u1", shape: [count, height, width, 3], data },
    };
    if (actions) arrays.actions = actionsArray(actions, count, this.sink.path);
    await this.sink.write(encodeNpz(arrays, metadata));
  }
}

function actionsArray(actions: readonly number[], count: number, path: string): NpyArray {
  if (actions.length < count) {
    throw new MediaError(
      `Cannot write "${path}": it has ${count} frames, but ${actions.length} actions`,
    );
  }
  // a stopped run has fewer frames than planned
  const data = BigInt64Array.from(actions.slice(0, count), BigInt);
  return { type: "<i8", shape: [count], data };
}
