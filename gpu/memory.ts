import { GpuError, ShapeError } from "./errors.ts";

/** How the elements of a tensor lie in memory; f16 is two to a 32-bit word. */
export type Dtype = "f32" | "f16" | "u32";

/**
 * What memory is to the GPU. A texture serves as plain memory, 16 bytes per texel in
 * rows of `TEXTURE_WIDTH`: software adapters gather from textures many times faster than from buffers.
 */
export type MemoryKind = "storage" | "uniform" | "texture";

/** Texels in a row of a texture; kernels know it. */
export const TEXTURE_WIDTH = 1024;
export const TEXTURE_ROW_BYTES = 16 * TEXTURE_WIDTH;

/** Most bytes that one piece of memory can have. */
export function mostBytes(kind: MemoryKind, limits: GPUSupportedLimits): number {
  if (kind === "texture") return TEXTURE_ROW_BYTES * limits.maxTextureDimension2D;
  if (kind === "uniform") return limits.maxBufferSize; // bound in small pieces
  return Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
}

/** The device that memory is made on, which counts it. */
export interface Allocator {
  /** Makes a zero-filled buffer. */
  createBuffer(label: string, bytes: number, uniform?: boolean): GPUBuffer;
  /** Makes a zero-filled texture that serves as memory. */
  createMemoryTexture(label: string, bytes: number): GPUTexture;
  /** Frees what was made here. */
  destroy(made: GPUBuffer | GPUTexture, bytes: number): void;
}

/** A piece of GPU memory that is declared first (so that needs can be added up) and made later. */
export class DeviceBuffer {
  readonly label: string;
  readonly bytes: number;
  readonly kind: MemoryKind;
  #raw: GPUBuffer | undefined;
  #texture: GPUTexture | undefined;
  #view: GPUTextureView | undefined;

  constructor(label: string, bytes: number, kind: MemoryKind = "storage") {
    const unit = kind === "texture" ? TEXTURE_ROW_BYTES : 16;
    this.label = label;
    this.bytes = Math.max(unit, Math.ceil(bytes / unit) * unit);
    this.kind = kind;
  }

  /** The WebGPU buffer. @throws {GpuError} when it was not made yet, is freed, or is a texture */
  get raw(): GPUBuffer {
    return this.#raw ?? this.#missing();
  }

  /** The WebGPU texture. @throws {GpuError} when it was not made yet, or is freed */
  get texture(): GPUTexture {
    return this.#texture ?? this.#missing();
  }

  /** What a bind group takes. @throws {GpuError} when it was not made yet, or is freed */
  get resource(): GPUBindingResource {
    if (this.kind === "texture") return this.#view ??= this.texture.createView();
    return { buffer: this.raw };
  }

  get allocated(): boolean {
    return this.#raw !== undefined || this.#texture !== undefined;
  }

  #missing(): never {
    throw new GpuError("internal", `Cannot use buffer "${this.label}": it is not allocated`);
  }

  /** Makes it, zero-filled; a second call does nothing. */
  allocate(gpu: Allocator): void {
    if (this.kind === "texture") this.#texture ??= gpu.createMemoryTexture(this.label, this.bytes);
    else this.#raw ??= gpu.createBuffer(this.label, this.bytes, this.kind === "uniform");
  }

  /** Gives the memory back at once (the garbage collector would take its time). */
  free(gpu: Allocator): void {
    const made = this.#raw ?? this.#texture;
    if (!made) return;
    gpu.destroy(made, this.bytes);
    this.#raw = this.#texture = this.#view = undefined;
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

  /** Declares memory of its own. */
  buffer(label: string, bytes: number, kind: MemoryKind = "storage"): DeviceBuffer {
    const buffer = new DeviceBuffer(label, bytes, kind);
    this.#buffers.push(buffer);
    return buffer;
  }

  /** Declares a tensor with memory of its own. */
  tensor(
    label: string,
    shape: readonly number[],
    dtype: Dtype = "f32",
    kind: MemoryKind = "storage",
  ): Tensor {
    return { buffer: this.buffer(label, tensorBytes(shape, dtype), kind), shape, dtype };
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

  /** All that is declared. */
  get buffers(): readonly DeviceBuffer[] {
    return this.#buffers;
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
  allocate(gpu: Allocator): void {
    for (const buffer of this.#buffers) buffer.allocate(gpu);
  }

  /** Frees them all; the declarations stay. */
  free(gpu: Allocator): void {
    for (const buffer of this.#buffers) buffer.free(gpu);
  }
}
