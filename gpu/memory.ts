import { GpuError, ShapeError } from "./errors.ts";

/** Element type of a tensor; two f16 share a 32-bit word. */
export type Dtype = "f32" | "f16" | "u32";

/**
 * Kind of GPU memory. A texture serves as plain memory, 16 bytes per texel in rows of
 * `TEXTURE_WIDTH`, since software adapters gather from textures many times faster than from
 * buffers.
 */
export type MemoryKind = "storage" | "uniform" | "texture";

/** Texels per row of a texture; kernels rely on it. */
export const TEXTURE_WIDTH = 1024;
export const TEXTURE_ROW_BYTES = 16 * TEXTURE_WIDTH;

/** Most bytes of one buffer or texture. */
export function mostBytes(kind: MemoryKind, limits: GPUSupportedLimits): number {
  if (kind === "texture") return TEXTURE_ROW_BYTES * limits.maxTextureDimension2D;
  if (kind === "uniform") return limits.maxBufferSize; // bound in small pieces
  return Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
}

/** The device that makes memory and counts it. */
export interface Allocator {
  /** Makes a zero-filled buffer. */
  createBuffer(label: string, bytes: number, uniform?: boolean): GPUBuffer;
  /** Makes a zero-filled texture that serves as memory. */
  createMemoryTexture(label: string, bytes: number): GPUTexture;
  /** Frees a buffer or texture. */
  destroy(made: GPUBuffer | GPUTexture, bytes: number): void;
}

/** A piece of GPU memory, declared first (so that the total is known) and allocated later. */
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

  /** The WebGPU buffer. @throws {GpuError} if it is not allocated or is a texture */
  get raw(): GPUBuffer {
    return this.#raw ?? this.#missing();
  }

  /** The WebGPU texture. @throws {GpuError} if it is not allocated */
  get texture(): GPUTexture {
    return this.#texture ?? this.#missing();
  }

  /** The resource for a bind group. @throws {GpuError} if it is not allocated */
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

  /** Allocates it, zero-filled; further calls do nothing. */
  allocate(gpu: Allocator): void {
    if (this.kind === "texture") this.#texture ??= gpu.createMemoryTexture(this.label, this.bytes);
    else this.#raw ??= gpu.createBuffer(this.label, this.bytes, this.kind === "uniform");
  }

  /** Frees the memory at once, without waiting for the garbage collector. */
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
 * Every buffer that a model or a run needs, declared before any is allocated, so the memory of a
 * run is known exactly without a device and checked before it starts.
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

  /** Takes memory for activations: the best fit among what is free, or new. */
  take(shape: readonly number[], dtype: Dtype = "f32", kind: MemoryKind = "storage"): Tensor {
    const bytes = tensorBytes(shape, dtype);
    let best = -1;
    for (const [i, buffer] of this.#free.entries()) {
      const fits = buffer.kind === kind && buffer.bytes >= bytes;
      if (fits && (best < 0 || buffer.bytes < this.#free[best]!.bytes)) best = i;
    }
    const buffer = best < 0
      ? this.buffer(`activation ${this.#buffers.length}`, bytes, kind)
      : this.#free.splice(best, 1)[0]!;
    return { buffer, shape, dtype };
  }

  /** Gives memory for activations back for reuse. */
  release(tensor: Tensor): void {
    this.#free.push(tensor.buffer);
  }

  /** All declared buffers. */
  get buffers(): readonly DeviceBuffer[] {
    return this.#buffers;
  }

  /** Bytes of all declared buffers. */
  get bytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
  }

  /** Bytes of declared buffers that are not allocated yet. */
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

  /** Allocates every declared buffer that is not allocated yet. */
  allocate(gpu: Allocator): void {
    for (const buffer of this.#buffers) buffer.allocate(gpu);
  }

  /** Frees them all; the declarations stay. */
  free(gpu: Allocator): void {
    for (const buffer of this.#buffers) buffer.free(gpu);
  }
}
