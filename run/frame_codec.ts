import { GpuError } from "../gpu/errors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { Memory, Tensor } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import { inKind } from "../kernels/copy.ts";
import { type Image, imageBuffer, readImage, writeImage } from "../kernels/image.ts";
import { readLatents, writeLatents } from "../kernels/latents.ts";
import { activationKind, decode, encode } from "../model/autoencoder.ts";
import type { DeclaredModel } from "../model/model.ts";

export interface FrameCodecOptions {
  /** Factor between the autoencoder's latents and those of the buffer (the model's own). */
  readonly scalingFactor?: number;
  /** False omits the encoder if no frame will be encoded. */
  readonly encoder?: boolean;
}

/**
 * The autoencoder between pictures on the CPU and frames of a latents buffer: recorded once; each
 * run reads the frame's index from a small buffer. All videos of the batch are processed together.
 */
export class FrameCodec {
  readonly width: number;
  readonly height: number;
  readonly #latents: Tensor;
  readonly #selection: Tensor;
  readonly #pictures: Image;
  readonly decoder: Program;
  readonly encoder: Program | undefined;

  /** @param latents [videos, frames, C, h, w] f32 */
  constructor(
    { vae, autoencoder }: Pick<DeclaredModel, "vae" | "autoencoder">,
    memory: Memory,
    device: DeviceProfile,
    latents: Tensor,
    options: FrameCodecOptions = {},
  ) {
    const [videos, , , h, w] = latents.shape as [number, number, number, number, number];
    this.height = h * vae.compression;
    this.width = w * vae.compression;
    this.#latents = latents;
    this.#selection = memory.tensor("codec frames", [videos], "u32");
    this.#pictures = imageBuffer(memory, "pictures", [videos, this.height, this.width], "floats");
    const scale = options.scalingFactor ?? vae.scalingFactor;
    const frames = this.#selection;
    const kind = activationKind(device, vae, videos * this.height * this.width);
    this.decoder = new Program("decode", memory, device);
    this.decoder.scope(() => {
      const x = readLatents(this.decoder, { latents, frames, scale: 1 / scale });
      const y = decode(this.decoder, autoencoder, inKind(this.decoder, x, kind));
      writeImage(this.decoder, inKind(this.decoder, y, "storage"), this.#pictures);
    });
    this.decoder.finish();
    if (options.encoder === false) return;
    this.encoder = new Program("encode", memory, device);
    this.encoder.scope(() => {
      const x = readImage(this.encoder!, this.#pictures, kind);
      const y = inKind(this.encoder!, encode(this.encoder!, autoencoder, x), "storage");
      writeLatents(this.encoder!, y, { latents, frames, scale });
    });
    this.encoder.finish();
  }

  #select(gpu: Gpu, frame: number): void {
    const videos = this.#latents.shape[0]!;
    const places = Uint32Array.from({ length: videos }, (_, video) => this.#place(video, frame));
    gpu.write(this.#selection.buffer, 0, places);
  }

  /** Frames of an endless run share their places. */
  #place(video: number, frame: number): number {
    const frames = this.#latents.shape[1]!;
    return video * frames + frame % frames;
  }

  /** Queues the encoding of one frame. @param pictures [videos, 3, H, W] in [0, 1] */
  encode(gpu: Gpu, frame: number, pictures: Float32Array): void {
    gpu.write(this.#pictures.pixels.buffer, 0, pictures);
    this.#select(gpu, frame);
    gpu.run(this.encoder!);
  }

  /** Queues the decoding of one frame. */
  decode(gpu: Gpu, frame: number): void {
    this.#select(gpu, frame);
    gpu.run(this.decoder);
  }

  /**
   * Reads the decoded pixels and the frame's latents in one copy.
   * @returns pixels [videos, 3, H, W] in [0, 1], latents [videos, C, h, w]
   * @throws {GpuError} `non-finite`: NaN or infinity among the latents
   */
  async read(gpu: Gpu, frame: number): Promise<{ pixels: Float32Array; latents: Float32Array }> {
    const [videos, , c, h, w] = this.#latents.shape as [number, number, number, number, number];
    const bytes = 4 * c * h * w;
    const ranges = Array.from({ length: videos }, (_, video) => ({
      buffer: this.#latents.buffer,
      offset: bytes * this.#place(video, frame),
      bytes,
    }));
    const pictureBytes = 4 * 3 * videos * this.height * this.width;
    const pictures = { buffer: this.#pictures.pixels.buffer, offset: 0, bytes: pictureBytes };
    const data = await gpu.readAll([pictures, ...ranges]);
    const latents = new Float32Array(data, pictureBytes);
    checkFinite(latents, `Frame ${frame}`);
    return { pixels: new Float32Array(data, 0, pictureBytes / 4), latents };
  }
}

/**
 * Checks the bits, since shaders and compilers may assume that there are no NaNs.
 * @throws {GpuError} `non-finite`
 */
export function checkFinite(values: Float32Array, what: string): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  if (bits.every((b) => (b & 0x7f800000) !== 0x7f800000)) return;
  throw new GpuError(
    "non-finite",
    `${what} has values that are not finite: set \`dtype\` to f32, or use other weights`,
  );
}
