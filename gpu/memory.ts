import { GpuError, ShapeError } from "./errors.ts";
import type { Gpu } from "./gpu.ts";

/** How the elements of a tensor lie in memory; f16 is two to a 32-bit word. */
export type Dtype = "f32" | "f16" | "u32";

/** A GPU buffer that is declared first (so that needs can be added up) and made later. */
export class DeviceBuffer {
  readonly label: string;
  readonly bytes: number;
  readonly uniform: boolean;
  #raw: GPUBuffer | undefined;

  constructor(label: string, bytes: number, uniform = false) {
    this.label = label;
    this.bytes = Math.max(16, Math.ceil(bytes / 16) * 16);
    this.uniform = uniform;
  }

  /** The WebGPU buffer. @throws {GpuError} when it was not made yet, or is freed */
  get raw(): GPUBuffer {
    if (this.#raw) return this.#raw;
    throw new GpuError("internal", `Cannot use buffer "${this.label}": it is not allocated`);
  }

  get allocated(): boolean {
    return this.#raw !== undefined;
  }

  /** Makes the buffer, zero-filled; a second call does nothing. */
  allocate(gpu: Gpu): void {
    this.#raw ??= gpu.createBuffer(this.label, this.bytes, this.uniform);
  }

  /** Gives the memory back at once (the garbage collector would take its time). */
  free(gpu: Gpu): void {
    if (!this.#raw) return;
    gpu.destroyBuffer(this.#raw);
    this.#raw = undefined;
  }
}

/** A dense array on the GPU: row-major `shape`, last axis contiguous. */
export interface Tensor {
  readonly buffer: DeviceBuffer;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/** Number of elements of a shape. */
export function size(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Bytes of a dense tensor. */
export function tensorBytes(shape: readonly number[], dtype: Dtype): number {
  return size(shape) * (dtype === "f16" ? 2 : 4);
}

/** Throws unless a tensor has the wanted shape. @throws {ShapeError} */
export function expectShape(what: string, tensor: Tensor, shape: readonly number[]): void {
  const same = tensor.shape.length === shape.length &&
    shape.every((n, i) => n === tensor.shape[i]);
  if (same) return;
  throw new ShapeError(
    `Cannot run ${what}: needs [${shape.join(", ")}] but got [${tensor.shape.join(", ")}]`,
  );
}

/**
 * Every buffer that a model or a run needs, declared before any is made. So the memory a run takes
 * is known exactly, without a device, and checked before it starts.
 */
export class Memory {
  readonly #buffers: DeviceBuffer[] = [];
  readonly #free: DeviceBuffer[] = [];

  /** Declares a buffer of its own. */
  buffer(label: string, bytes: number, uniform = false): DeviceBuffer {
    const buffer = new DeviceBuffer(label, bytes, uniform);
    this.#buffers.push(buffer);
    return buffer;
  }

  /** Declares a tensor with a buffer of its own. */
  tensor(label: string, shape: readonly number[], dtype: Dtype = "f32"): Tensor {
    return { buffer: this.buffer(label, tensorBytes(shape, dtype)), shape, dtype };
  }

  /** Takes an activation buffer: the best fit among the free ones, else a new one. */
  take(shape: readonly number[], dtype: Dtype = "f32"): Tensor {
    const bytes = tensorBytes(shape, dtype);
    let best = -1;
    for (const [i, buffer] of this.#free.entries()) {
      const fits = buffer.bytes >= bytes;
      if (fits && (best < 0 || buffer.bytes < this.#free[best]!.bytes)) best = i;
    }
    const buffer = best < 0
      ? this.buffer(`activation ${this.#buffers.length}`, bytes)
      : this.#free.splice(best, 1)[0]!;
    return { buffer, shape, dtype };
  }

  /** Returns an activation buffer for later use by another. */
  release(tensor: Tensor): void {
    this.#free.push(tensor.buffer);
  }

  /** Bytes of all that is declared. */
  get bytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
  }

  /** Bytes of what is declared and not made yet. */
  get pendingBytes(): number {
    return this.#buffers.reduce((sum, b) => sum + (b.allocated ? 0 : b.bytes), 0);
  }

  /** The largest buffer declared, which a storage binding must be able to span. */
  get largest(): DeviceBuffer | undefined {
    return this.#buffers.reduce<DeviceBuffer | undefined>(
      (a, b) => a && a.bytes >= b.bytes ? a : b,
      undefined,
    );
  }

  /** Makes every declared buffer that is not made yet. */
  allocate(gpu: Gpu): void {
    for (const buffer of this.#buffers) buffer.allocate(gpu);
  }

  /** Frees them all; the declarations stay. */
  free(gpu: Gpu): void {
    for (const buffer of this.#buffers) buffer.free(gpu);
  }
}
