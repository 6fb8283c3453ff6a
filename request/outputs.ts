import { extname, resolve } from "node:path";
import { ACTIONS_KEY, ClosedPipeError, isPattern, type SheetLabels } from "../app.ts";
import { formatClassList } from "./actions.ts";
import {
  type Frame,
  openFrameWriter,
  toRgb,
  type WriterOptions,
  type WrittenFile,
} from "../mod.ts";
import { UsageError } from "../cli/errors.ts";
import { TensorWriter, type TensorWriterOptions } from "./tensor_writer.ts";
import { sizeMetadata, viewingScale } from "./viewing_scale.ts";
import { didYouMean } from "../cli/suggest.ts";

/** Writes finished frames of all videos to files. */
interface Output {
  /** The user's path. */
  readonly path: string;
  write(frame: Frame): Promise<void> | void;
  close(): Promise<WrittenFile>;
  abort(): Promise<void>;
}

const EXTENSIONS = [
  ".mp4",
  ".mov",
  ".webm",
  ".mkv",
  ".gif",
  ".png",
  ".y4m",
  ".npz",
  ".safetensors",
];

/** Facts about the videos that outputs need. */
export interface OutputOptions extends Omit<WriterOptions, "actions" | "labels"> {
  readonly count: number;
  /** Format of `-`. */
  readonly format?: "mp4" | "y4m" | "rgb24";
  /** Frames before this one are omitted. */
  readonly from: number;
  /** One per frame, from frame 0 on: one list for all videos, or one each. */
  readonly actions?: readonly (readonly number[])[];
  /** Frames at the beginning that were given to the model. */
  readonly given?: number;
  /** Names of actions by number, for captions. */
  readonly actionNames?: readonly string[];
  /** For .safetensors; its metadata is added to that of all outputs. */
  readonly tensors: Omit<TensorWriterOptions, "count" | "frames">;
}

/**
 * Checks names of outputs before anything is computed.
 * @throws {UsageError} no name, an unsupported kind, or two of the same name
 */
export function checkOutputs(paths: readonly string[], count: number, json = false): void {
  for (const path of paths) {
    if (path === "-") {
      if (count > 1) throw new UsageError("Cannot write more than one video to stdout");
      if (json) throw new UsageError("Cannot use --json with -o -: both write to stdout");
      continue;
    }
    const extension = extname(path).toLowerCase();
    if (!EXTENSIONS.includes(extension)) {
      const hint = didYouMean(extension, EXTENSIONS);
      throw new UsageError(
        `Cannot write "${path}": its name must end in one of ${EXTENSIONS.join(" ")}${hint}`,
      );
    }
  }
  const places = paths.map((path) => path === "-" ? path : resolve(path));
  const twice = paths.find((_, i) => places.indexOf(places[i]!) !== i);
  if (twice !== undefined) throw new UsageError(`Cannot write "${twice}" twice`);
}

/**
 * Refuses outputs that would replace inputs.
 * @param inputs paths given as inputs; `-` is ignored
 * @throws {UsageError} an output is also an input, by whatever name
 */
export async function keepInputs(
  paths: readonly string[],
  count: number,
  inputs: readonly (string | undefined)[],
): Promise<void> {
  const placeOf = (path: string) => Deno.realPath(path).catch(() => undefined);
  const kept = await Promise.all(inputs.map((input) => input && placeOf(input)));
  const videos = Array.from({ length: count }, (_, video) => video);
  for (const path of paths.flatMap((p) => videos.map((video) => numberedPath(p, video, count)))) {
    const place = await placeOf(path);
    if (place === undefined || !kept.includes(place)) continue;
    throw new UsageError(`Cannot write "${path}": it is also an input; give another name`);
  }
}

/** `out.mp4` -> `out-1.mp4`: the name for one video of several. */
export function numberedPath(path: string, video: number, count: number): string {
  if (count === 1) return path;
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}-${video}${extension}`;
}

/** Whether an output is one file per frame, numbered by `%d` in its name. */
export function isSequence(name: string): boolean {
  return extname(name).toLowerCase() === ".png" && isPattern(name);
}

/** All files of the outputs of `count` videos; a `%d` pattern stays one name. */
export function outputFiles(names: readonly string[], count: number): string[] {
  return names.flatMap((name) =>
    extname(name).toLowerCase() === ".safetensors"
      ? [name]
      : Array.from({ length: count }, (_, video) => numberedPath(name, video, count))
  );
}

/** All outputs of a run as one. Files get their final names in `close`. */
export class Outputs implements AsyncDisposable {
  #outputs: Output[] = [];
  /** Videos that have the newest frame: all must be equally long. */
  #waiting: Frame[] = [];

  private constructor(private readonly count: number, readonly paths: readonly string[]) {}

  get #hasFiles(): boolean {
    return this.paths.some((path) => path !== "-");
  }

  /** @throws {MediaError} one cannot be created; then none is left behind */
  static async open(paths: readonly string[], options: OutputOptions): Promise<Outputs> {
    const outputs = new Outputs(options.count, paths);
    try {
      for (const path of paths) {
        if (extname(path).toLowerCase() === ".safetensors") {
          outputs.#outputs.push(await openTensors(path, options));
          continue;
        }
        for (let video = 0; video < options.count; video++) {
          outputs.#outputs.push(await openVideo(path, video, options));
        }
      }
      return outputs;
    } catch (error) {
      await outputs.abort();
      throw error;
    }
  }

  /** @throws {MediaError} the disk is full, or the reader of stdout has gone */
  async write(frame: Frame): Promise<void> {
    if (this.#waiting.push(frame) < this.count) return;
    const frames = this.#waiting.splice(0);
    for (const output of [...this.#outputs]) {
      try {
        for (const whole of frames) await output.write(whole);
      } catch (error) {
        await this.#leave(output, error);
      }
    }
  }

  /** Goes on without stdout, once its reader has gone, if there are files to write. */
  async #leave(output: Output, error: unknown): Promise<void> {
    if (!(error instanceof ClosedPipeError) || !this.#hasFiles) throw error;
    this.#outputs = this.#outputs.filter((other) => other !== output);
    await output.abort();
  }

  /** Finishes every output, with the frames that all videos have. */
  async close(): Promise<WrittenFile[]> {
    const written: WrittenFile[] = [];
    while (this.#outputs.length > 0) {
      const output = this.#outputs[0]!;
      try {
        written.push({ ...await output.close(), path: output.path });
        this.#outputs.shift();
      } catch (error) {
        await this.#leave(output, error);
      }
    }
    return written;
  }

  /** Removes unfinished outputs. */
  async abort(): Promise<void> {
    const outputs = this.#outputs.splice(0);
    await Promise.all(outputs.map((output) => output.abort()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }
}

/** One video in a file of pictures, from the floats of the model. */
async function openVideo(path: string, video: number, options: OutputOptions): Promise<Output> {
  const { count, from, frames, actions: lists, format = "mp4", metadata, ...rest } = options;
  const name = numberedPath(path, video, count);
  const actions = (lists?.[video] ?? lists?.[0])?.slice(from);
  const scale = viewingScale(name, options);
  const enlarged = metadata && sizeMetadata(options, scale);
  const recorded = metadata && actions && { [ACTIONS_KEY]: formatClassList(actions) };
  const writer = await openFrameWriter(name, {
    ...rest,
    format,
    scale,
    labels: sheetLabels(options, actions),
    metadata: { ...metadata, ...enlarged, ...recorded },
    frames: frames === undefined ? undefined : frames - from,
    actions,
  });
  return {
    path: name,
    write: async (frame) => {
      if (frame.video === video && frame.index >= from) await writer.write(toRgb(frame.pixels));
    },
    close: () => writer.close(),
    abort: () => writer.abort(),
  };
}

/** What a contact sheet says: true frame numbers, what was given, and the actions. */
function sheetLabels(
  { from, given = 0, actionNames }: OutputOptions,
  actions: readonly number[] | undefined,
): SheetLabels {
  return {
    first: from,
    given: Math.max(0, given - from),
    captions: actions?.map((action) => actionNames?.[action] ?? String(action)),
  };
}

/** Exact frames and latents of all videos in one file. */
async function openTensors(path: string, options: OutputOptions): Promise<Output> {
  const { count, from, frames, metadata, tensors } = options;
  const writer = await TensorWriter.open(path, {
    ...tensors,
    count,
    frames: frames! - from,
    metadata: { ...tensors.metadata, ...metadata },
    actions: tensors.actions?.map((list) => list.slice(from)),
  });
  return {
    path,
    write: ({ video, index, pixels, latents }) => {
      if (index >= from) writer.write(video, index - from, pixels, latents);
    },
    close: () => writer.close(),
    abort: () => writer.abort(),
  };
}

/** `maze.mp4 and sheet.png`, for a sentence. */
export function listNames(paths: readonly string[]): string {
  const names = paths.map((path) => path === "-" ? "stdout" : path);
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
