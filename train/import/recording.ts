import { isFile } from "../../files/file_source.ts";
import { readClip } from "../../media/clip.ts";
import { readClipFacts } from "../../media/clip_facts.ts";
import { MediaError } from "../../media/errors.ts";
import { type RgbFrame, toRgb } from "../../media/frames.ts";
import type { ResizeMethod } from "../../media/resize.ts";
import { openFrameWriter } from "../../media/video_writer.ts";
import type { KeyMoment } from "./key_log.ts";
import { ActionReader, type KeyMap } from "./key_map.ts";

/** What is taken of a video. */
export interface RecordingOptions {
  readonly offset?: number;
  readonly fps?: number;
  readonly size?: { readonly width: number; readonly height: number };
  readonly resize?: ResizeMethod;
}

/** A video with its log: what is known before its frames are read. */
export interface Recording {
  readonly video: string;
  readonly log: string;
  readonly moments: readonly KeyMoment[];
  /** Of the frames taken. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** The video's own frames per second. */
  readonly rate: number;
  /** Seconds on the log's clock at the first frame. */
  readonly offset: number;
  readonly size: RecordingOptions["size"];
  readonly resize: ResizeMethod | undefined;
}

/**
 * Reads what a video says of itself.
 * @throws {MediaError} a video that cannot be read, is slower than wanted, or lies outside its log
 */
export async function openRecording(
  video: string,
  { log, moments }: Pick<Recording, "log" | "moments">,
  { offset = 0, fps: wanted, size, resize }: RecordingOptions,
): Promise<Recording> {
  const { width, height, fps: own, video: facts } = await readClipFacts(video);
  const rate = own ?? wanted;
  if (rate === undefined) {
    throw new MediaError(`Cannot import "${video}": it does not say how fast it is; give \`fps\``);
  }
  const fps = wanted ?? rate;
  if (fps > rate * 1.001) {
    throw new MediaError(`Cannot import "${video}" at ${fps} frames per second: it has ${rate}`);
  }
  const recording = {
    ...{ video, log, moments, fps, rate, offset, size, resize },
    ...size ?? { width, height },
  };
  const seconds = facts?.frames === undefined ? facts?.duration : facts.frames / rate;
  checkTimes(recording, seconds === undefined ? Infinity : offset + seconds);
  return recording;
}

/** @throws {MediaError} the log tells nothing about the video */
function checkTimes({ video, log, moments, offset }: Recording, end: number): void {
  const [first, last] = [moments[0]!.time, moments.at(-1)!.time];
  if (first <= end && last >= offset) return;
  const until = end === Infinity ? "" : ` to ${end.toFixed(3)}`;
  throw new MediaError(
    `Cannot import "${video}": it lasts from ${offset}${until} s of the log's clock, the log ` +
      `"${log}" from ${first} to ${last}; give \`offset\``,
  );
}

/**
 * Reads a recording frame by frame, and passes on those at the wanted rate with their actions.
 * @returns how many frames were dropped, and warnings for the user
 * @throws {MediaError} of what was read until then nothing is kept
 */
export async function writeRecording(
  recording: Recording,
  map: KeyMap,
  writer: ClipsWriter,
): Promise<{ readonly dropped: number; readonly warnings: readonly string[] }> {
  const { video, moments, offset, fps, rate, size, resize } = recording;
  const ratio = rate / fps;
  const stride = Math.abs(ratio - Math.round(ratio)) < 0.01 ? Math.round(ratio) : 1;
  const every = ratio / stride; // of the frames read; 1 where the rates divide
  const actions = new ActionReader(moments, map);
  let [taken, dropped] = [0, 0];
  try {
    const { warnings } = await readClip(video, {
      ...{ stride, ...(size && { size }), ...(resize && { resize }) },
      each: async (frame, index) => {
        if (index !== Math.round(taken * every)) return; // not one of them, or read again
        const action = actions.at(offset + taken++ / fps);
        if (action === undefined) dropped++;
        else await writer.add(toRgb(frame), action);
      },
    });
    checkTimes(recording, offset + (taken - 1) / fps);
    await writer.close();
    return { dropped, warnings };
  } catch (error) {
    if (error instanceof MediaError) await writer.discard();
    throw error;
  }
}

/** How clips are written. */
export interface ClipsOptions extends Pick<Recording, "width" | "height" | "fps"> {
  readonly clipFrames: number;
  readonly overwrite: boolean;
  /** Stops after the current clip. */
  readonly signal?: AbortSignal | undefined;
  readonly onClip?: ((path: string, frames: number) => void) | undefined;
}

/** Cuts frames into clips, `STEM-0000.npz` and so on; it holds those of one clip. */
export class ClipsWriter {
  readonly #stem: string;
  readonly #options: ClipsOptions;
  readonly #written: string[] = [];
  #frames: RgbFrame[] = [];
  #actions: number[] = [];
  /** Frames by action. */
  readonly counts: number[] = [];

  constructor(stem: string, options: ClipsOptions) {
    this.#stem = stem;
    this.#options = options;
  }

  /** Clips written. */
  get clips(): number {
    return this.#written.length;
  }

  /** @throws {MediaError} a clip that exists, or cannot be written */
  async add(frame: RgbFrame, action: number): Promise<void> {
    this.#frames.push(frame);
    this.#actions.push(action);
    this.counts[action] = (this.counts[action] ?? 0) + 1;
    if (this.#frames.length === this.#options.clipFrames) await this.close();
  }

  /** Writes the last clip. @throws as `add` */
  async close(): Promise<void> {
    const [frames, actions] = [this.#frames, this.#actions];
    if (frames.length === 0) return;
    const { width, height, fps, overwrite, signal, onClip } = this.#options;
    signal?.throwIfAborted();
    const path = `${this.#stem}-${String(this.clips).padStart(4, "0")}.npz`;
    if (!overwrite && await isFile(path)) {
      throw new MediaError(`Cannot write "${path}": it exists`);
    }
    await using writer = await openFrameWriter(path, { width, height, fps, actions });
    for (const frame of frames) await writer.write(frame);
    await writer.close();
    this.#written.push(path);
    [this.#frames, this.#actions] = [[], []];
    onClip?.(path, frames.length);
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    for (const path of this.#written) await Deno.remove(path);
  }
}
