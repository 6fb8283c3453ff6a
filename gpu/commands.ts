import { type DeviceBuffer, TEXTURE_ROW_BYTES, TEXTURE_WIDTH } from "./memory.ts";

/** Bytes of a texel of a texture that serves as memory. */
const TEXEL = 16;

/** The commands of a submit: compute passes, and copies between them. */
export class Commands {
  readonly #encoder: GPUCommandEncoder;
  readonly #begin: () => GPUComputePassEncoder;
  #pass: GPUComputePassEncoder | undefined;

  /** @param begin how passes begin, if they are timed */
  constructor(encoder: GPUCommandEncoder, begin = () => encoder.beginComputePass()) {
    this.#encoder = encoder;
    this.#begin = begin;
  }

  /** The pass for the next dispatch. */
  get pass(): GPUComputePassEncoder {
    return this.#pass ??= this.#begin();
  }

  /** Copies a buffer into a texture that serves as memory and is at least as large. */
  copy(from: DeviceBuffer, to: DeviceBuffer): void {
    this.end();
    const rows = Math.floor(from.bytes / TEXTURE_ROW_BYTES);
    const rest = (from.bytes % TEXTURE_ROW_BYTES) / TEXEL;
    if (rows > 0) this.#copyRows(from, to, 0, [TEXTURE_WIDTH, rows]);
    if (rest > 0) this.#copyRows(from, to, rows, [rest, 1]);
  }

  #copyRows(
    from: DeviceBuffer,
    to: DeviceBuffer,
    row: number,
    size: [width: number, height: number],
  ): void {
    const offset = row * TEXTURE_ROW_BYTES;
    this.#encoder.copyBufferToTexture(
      { buffer: from.raw, offset, bytesPerRow: TEXTURE_ROW_BYTES },
      { texture: to.texture, origin: [0, row] },
      size,
    );
  }

  /** Ends the pass, if one has begun. */
  end(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
