import { type AtomicFile, bytesOf, createOutput } from "../app.ts";
import { type SafetensorsEntry, writeSafetensors, type WrittenFile } from "../mod.ts";

/** Contents of a .safetensors output besides the frames. */
export interface TensorWriterOptions {
  /** Videos. */
  readonly count: number;
  /** Frames per video. */
  readonly frames: number;
  /** Size of a picture. */
  readonly width: number;
  readonly height: number;
  /** [c, h, w] of one frame's latents. */
  readonly latentShape: readonly [number, number, number];
  /** [count, generated frames, c, h, w], if the run has noise. */
  readonly noise?: { readonly shape: readonly number[]; readonly data: Float32Array };
  /** One per frame: [t] for all videos, or [count, t] with one list each. */
  readonly actions?: readonly (readonly number[])[];
  /** One per video, or one for all. */
  readonly labels?: readonly number[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Exact frames and latents of all videos, written as one file at the end. */
export class TensorWriter {
  readonly #pixels: (Float32Array | undefined)[];
  readonly #latents: (Float32Array | undefined)[];

  private constructor(
    private readonly file: AtomicFile,
    private readonly options: TensorWriterOptions,
  ) {
    this.#pixels = new Array(options.count * options.frames);
    this.#latents = new Array(options.count * options.frames);
  }

  /** @throws {MediaError} the file cannot be created */
  static async open(path: string, options: TensorWriterOptions): Promise<TensorWriter> {
    return new TensorWriter(await createOutput(path), options);
  }

  /** Stores a frame of a video; both count from 0. */
  write(video: number, frame: number, pixels: { data: Float32Array }, latents: Float32Array): void {
    const at = video * this.options.frames + frame;
    this.#pixels[at] = pixels.data;
    this.#latents[at] = latents;
  }

  /** @throws {MediaError} the disk is full; nothing is left behind then */
  async close(): Promise<WrittenFile> {
    const { count, metadata } = this.options;
    const length = this.#length;
    try {
      if (length === 0) throw new RangeError("Cannot write videos without frames");
      const bytes = await writeSafetensors(this.file, this.#entries(length), metadata);
      await this.file.commit();
      return { path: this.file.path, frames: count * length, bytes };
    } catch (error) {
      await this.file.discard();
      throw error;
    }
  }

  async abort(): Promise<void> {
    await this.file.discard();
  }

  /** Frames that every video has: fewer than announced if the run was stopped. */
  get #length(): number {
    const { count, frames } = this.options;
    const lengths = Array.from({ length: count }, (_, video) => {
      const own = this.#pixels.slice(video * frames, (video + 1) * frames);
      const missing = own.findIndex((frame) => frame === undefined);
      return missing < 0 ? frames : missing;
    });
    return Math.min(...lengths);
  }

  /** The first frames of each video. */
  #first<T>(all: readonly T[], length: number): T[] {
    const { frames } = this.options;
    return all.filter((_, i) => i % frames < length);
  }

  #entries(length: number): SafetensorsEntry[] {
    const { count, width, height, latentShape, noise, actions, labels } = this.options;
    const entries: SafetensorsEntry[] = [
      {
        name: "frames",
        dtype: "F32",
        shape: [count, length, 3, height, width],
        data: () => pieces(this.#first(this.#pixels, length)),
      },
      {
        name: "latents",
        dtype: "F32",
        shape: [count, length, ...latentShape],
        data: () => pieces(this.#first(this.#latents, length)),
      },
    ];
    if (noise) {
      entries.push({ name: "noise", dtype: "F32", shape: noise.shape, data: bytesOf(noise.data) });
    }
    if (actions) {
      const shape = actions.length > 1 ? [count, length] : [length];
      entries.push(integers("actions", actions.flatMap((list) => list.slice(0, length)), shape));
    }
    if (labels) entries.push(integers("label", labels));
    return entries;
  }
}

async function* pieces(parts: readonly (Float32Array | undefined)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part) yield bytesOf(part);
  }
}

function integers(
  name: string,
  values: readonly number[],
  shape: readonly number[] = [values.length],
): SafetensorsEntry {
  const data = new BigInt64Array(values.map(BigInt));
  return { name, dtype: "I64", shape, data: bytesOf(data) };
}
