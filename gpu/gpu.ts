import { Commands } from "./commands.ts";
import { GpuError, noAdapter, toGpuError } from "./errors.ts";
import { host } from "./host.ts";
import { type Kernel, placeErrors, withConstants } from "./kernel.ts";
import {
  type Allocator,
  type DeviceBuffer,
  mostBytes,
  type Tensor,
  TEXTURE_ROW_BYTES,
  TEXTURE_WIDTH,
} from "./memory.ts";
import { isSoftware, leastSubgroup, requestDevice } from "./request_device.ts";
import type { TuningTable } from "./tuning.ts";

/** The adapter's name and the capabilities we use. */
export interface AdapterSummary {
  /** e.g. "llvmpipe (LLVM 15.0.6, 256 bits)". */
  readonly name: string;
  /** As the driver says. */
  readonly vendor: string;
  /** True for software adapters, whose best kernels differ. */
  readonly cpu: boolean;
  /** Whether shaders can compute in f16. */
  readonly f16: boolean;
  /** Whether the GPU's clock can be read. */
  readonly timestamps: boolean;
  /** Whether lanes can exchange values without memory. */
  readonly subgroups: boolean;
  /** Lanes that are guaranteed to be able to exchange values; 0 for none. */
  readonly subgroupSize: number;
  /** Whether workgroups may have 512 lanes and 32 kB of memory. */
  readonly wide: boolean;
  /** Storage buffers that a kernel may have. */
  readonly storageBuffers: number;
  /** The fastest parameters, as measured by `tuneModel`. */
  readonly tuning?: TuningTable;
}

/** Which device to open, and how to submit work to it. */
export interface GpuOptions {
  /** WebGPU backend (the system's best). Read once per process, at the first adapter. */
  readonly backend?: "vulkan" | "metal" | "dx12" | "gl";
  /** Most kernel calls per submit (no limit), for drivers that abort long work. */
  readonly dispatchesPerSubmit?: number;
}

/** Part of a buffer; offset and bytes are multiples of 4. */
export interface BufferRange {
  readonly buffer: DeviceBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** A list of kernel calls that can be run: a `Program`. */
export interface Runnable {
  /** Number of kernel calls. */
  readonly dispatches: number;
  /** Creates what running needs; further calls do nothing. */
  make(gpu: Gpu): unknown;
  /** Encodes the calls from `start` up to `end`. */
  encode(gpu: Gpu, commands: Commands, start?: number, end?: number): void;
}

/** The largest buffers and bindings that kernels here rely on are asked for in full. */
const WANTED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxStorageTexturesPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxTextureDimension2D",
] as const;

const ERROR_FILTERS: readonly GPUErrorFilter[] = ["internal", "out-of-memory", "validation"];

function isWide(limits: GPUSupportedLimits): boolean {
  return limits.maxComputeInvocationsPerWorkgroup >= 512 &&
    limits.maxComputeWorkgroupSizeX >= 512 && limits.maxComputeWorkgroupStorageSize >= 2 ** 15;
}

/**
 * One WebGPU device. All raw queue and buffer calls are here, because Deno's need care: writes out
 * of bounds panic, errors without a listener are silent, `destroy` right after a submit has hung.
 */
export class Gpu implements Allocator {
  /** The WebGPU device. */
  readonly device: GPUDevice;
  /** What it is and can do. */
  readonly adapter: AdapterSummary;
  readonly #dispatchesPerSubmit: number;
  /** Bytes of all live buffers. */
  allocatedBytes = 0;
  /** The peak of `allocatedBytes`. */
  peakBytes = 0;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  #failure: GpuError | undefined;
  #closed = false;

  private constructor(device: GPUDevice, adapter: AdapterSummary, dispatchesPerSubmit = Infinity) {
    this.device = device;
    this.adapter = adapter;
    this.#dispatchesPerSubmit = Math.max(1, dispatchesPerSubmit);
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#fail(toGpuError((event as GPUUncapturedErrorEvent).error));
    });
    device.lost.then(({ message }) => {
      if (!this.#closed) this.#fail(new GpuError("lost", `The GPU was lost: ${message}`));
    });
  }

  /**
   * Opens the fastest adapter with all its limits.
   * @throws {GpuError} `no-adapter` when there is none
   */
  static async open(options: GpuOptions = {}): Promise<Gpu> {
    host().setUp?.(options);
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) {
      throw noAdapter(options.backend, host().restriction?.());
    }
    const requiredLimits: Record<string, number> = {};
    for (const name of WANTED_LIMITS) requiredLimits[name] = adapter.limits[name];
    const timestamps = adapter.features.has("timestamp-query");
    const f16 = adapter.features.has("shader-f16");
    const features: GPUFeatureName[] = timestamps ? ["timestamp-query"] : [];
    if (f16) features.push("shader-f16");
    const { device, subgroups } = await requestDevice(adapter, features, requiredLimits);
    const { description, device: model, vendor } = adapter.info;
    const name = description || model || vendor || "unknown adapter";
    const summary = {
      name,
      vendor,
      cpu: isSoftware(adapter, name),
      f16,
      timestamps,
      subgroups,
      subgroupSize: subgroups ? leastSubgroup(name, adapter.info.subgroupMinSize) : 0,
      wide: isWide(adapter.limits),
      storageBuffers: adapter.limits.maxStorageBuffersPerShaderStage,
      tuning: await host().readTuning?.(name),
    };
    return new Gpu(device, summary, options.dispatchesPerSubmit);
  }

  /** Limits of the device. */
  get limits(): GPUSupportedLimits {
    return this.device.limits;
  }

  #fail(error: GpuError): void {
    this.#failure ??= error;
  }

  /** Throws the first error the device reported, if any did. @throws {GpuError} */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /**
   * Runs `make`, which creates something on the device; an error that the device reports about it
   * (later, at the next `check`) names `what`, worded by `explain`.
   */
  naming<T>(what: string, make: () => T, explain?: (message: string) => string): T {
    for (const filter of ERROR_FILTERS) this.device.pushErrorScope(filter);
    try {
      return make();
    } finally {
      for (const _ of ERROR_FILTERS) {
        this.device.popErrorScope().then(
          (error) => error && this.#fail(toGpuError(error, what, explain)),
          () => {}, // the device is lost, which is reported separately
        );
      }
    }
  }

  /** Makes a zero-filled buffer; called by `DeviceBuffer.allocate`. */
  createBuffer(label: string, bytes: number, uniform = false): GPUBuffer {
    const usage = (uniform ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE) |
      GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const make = () => this.device.createBuffer({ label, size: bytes, usage });
    return this.#allocated(label, bytes, { kind: "buffer", most: this.limits.maxBufferSize, make });
  }

  /** Makes a zero-filled texture that serves as memory; `DeviceBuffer.allocate` calls it. */
  createMemoryTexture(label: string, bytes: number): GPUTexture {
    const most = mostBytes("texture", this.limits);
    const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_SRC |
      GPUTextureUsage.COPY_DST;
    const size = [TEXTURE_WIDTH, bytes / TEXTURE_ROW_BYTES];
    const make = () => this.device.createTexture({ label, size, format: "rgba32uint", usage });
    return this.#allocated(label, bytes, { kind: "texture", most, make });
  }

  /** What `make` makes, unless the GPU has no room for anything of its kind this large. */
  #allocated<T>(
    label: string,
    bytes: number,
    { kind, most, make }: { readonly kind: string; readonly most: number; make(): T },
  ): T {
    if (bytes > most) {
      throw new GpuError(
        "limit",
        `Cannot allocate "${label}": ${bytes} bytes, but this GPU's largest ${kind} has ${most}`,
      );
    }
    const made = this.naming(`"${label}" (${bytes} bytes)`, make);
    this.allocatedBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.allocatedBytes);
    return made;
  }

  /** @internal Frees a buffer or texture. */
  destroy(made: GPUBuffer | GPUTexture, bytes: number): void {
    this.allocatedBytes -= bytes;
    made.destroy();
  }

  /** @internal @throws {GpuError} a buffer is larger than a storage binding may span */
  checkBinding(buffer: DeviceBuffer): void {
    const limit = this.limits.maxStorageBufferBindingSize;
    if (buffer.kind !== "storage" || buffer.bytes <= limit) return;
    throw new GpuError(
      "limit",
      `Cannot bind "${buffer.label}": ${buffer.bytes} bytes, but this GPU's largest binding has ${limit}`,
    );
  }

  /** @internal @throws {GpuError} more workgroups in a dimension than the GPU allows */
  checkGroups(label: string, groups: number): void {
    const limit = this.limits.maxComputeWorkgroupsPerDimension;
    if (groups <= limit) return;
    throw new GpuError(
      "limit",
      `Cannot run ${label}: ${groups} workgroups are too many, this GPU allows ${limit}`,
    );
  }

  /**
   * @internal Writes bytes into a buffer, before anything submitted later runs. Work that is
   * recorded but not yet submitted sees them too: write before submitting.
   * @throws {RangeError} out of bounds, not a multiple of 4 bytes, or not whole rows of a texture
   */
  write(buffer: DeviceBuffer, offset: number, data: ArrayBufferView): void {
    const { byteLength } = data;
    const unit = buffer.kind === "texture" ? TEXTURE_ROW_BYTES : 4;
    if (offset % unit || byteLength % unit || offset < 0 || offset + byteLength > buffer.bytes) {
      throw new RangeError(
        `Cannot write ${byteLength} bytes at ${offset} of "${buffer.label}" (${buffer.bytes} bytes)`,
      );
    }
    if (byteLength === 0) return;
    const bytes = data as Uint8Array<ArrayBuffer>;
    if (buffer.kind !== "texture") return this.device.queue.writeBuffer(buffer.raw, offset, bytes);
    const to = { texture: buffer.texture, origin: [0, offset / unit] };
    const size = [TEXTURE_WIDTH, byteLength / unit];
    this.device.queue.writeTexture(to, bytes, { bytesPerRow: TEXTURE_ROW_BYTES }, size);
  }

  /** @internal A kernel with its constants. @throws {GpuError} with its label */
  pipeline(kernel: Kernel, constants: Readonly<Record<string, number>>): GPUComputePipeline {
    const key = `${kernel.name} ${JSON.stringify(constants)}`;
    const known = this.#pipelines.get(key);
    if (known) return known;
    const label = kernel.name;
    const make = () => {
      const { code, unknown } = withConstants(kernel, constants);
      const module = this.device.createShaderModule({ label: `${label}.wgsl`, code });
      const compute = { module, entryPoint: "main", constants: unknown };
      return this.device.createComputePipeline({ label, layout: "auto", compute });
    };
    const explain = (message: string) => placeErrors(kernel, message);
    const pipeline = this.naming(`kernel ${label}`, make, explain);
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }

  /** Number of pipelines compiled so far. */
  get pipelines(): number {
    return this.#pipelines.size;
  }

  /** @internal Runs programs in order: one submit unless `dispatchesPerSubmit` says otherwise. */
  run(...programs: Runnable[]): void {
    for (const program of programs) program.make(this);
    this.check();
    const most = this.#dispatchesPerSubmit;
    if (most === Infinity) {
      return this.#submit((to) => programs.forEach((program) => program.encode(this, to)));
    }
    for (const program of programs) {
      for (let at = 0; at < program.dispatches; at += most) {
        this.#submit((to) => program.encode(this, to, at, at + most));
      }
    }
  }

  /** Submits commands that were recorded elsewhere, such as passes with time stamps. */
  submit(encoder: GPUCommandEncoder): void {
    this.check();
    this.device.queue.submit([encoder.finish()]);
  }

  /** One command buffer, with one compute pass unless there are copies. */
  #submit(encode: (to: Commands) => void): void {
    const encoder = this.device.createCommandEncoder();
    const commands = new Commands(encoder);
    encode(commands);
    commands.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /**
   * @internal Starts copying ranges of buffers to the CPU, one after the other. The call blocks
   * until the GPU is idle (that is how Deno polls), the promise then takes 10 ms more: submit the
   * next work before awaiting it. Textures are read in whole rows.
   * @throws {GpuError} anything the device reported up to then
   */
  async readAll(ranges: readonly BufferRange[]): Promise<ArrayBuffer> {
    const size = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = this.device.createBuffer({ label: "readback", size, usage });
    try {
      const encoder = this.device.createCommandEncoder();
      let at = 0;
      for (const range of ranges) {
        copyRange(encoder, range, staging, at);
        at += range.bytes;
      }
      this.device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      this.check();
      return staging.getMappedRange().slice(0);
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve)); // what a loss breaks fails before it is told
      this.check();
      throw error;
    } finally {
      staging.destroy();
    }
  }

  /** @internal Reads one range; everything from `offset` on when `bytes` is absent. */
  read(buffer: DeviceBuffer, offset = 0, bytes = buffer.bytes - offset): Promise<ArrayBuffer> {
    return this.readAll([{ buffer, offset, bytes }]);
  }

  /** @internal Reads a whole f32 tensor. */
  async readFloats({ buffer, shape }: Tensor): Promise<Float32Array> {
    const count = shape.reduce((a, b) => a * b, 1);
    const bytes = buffer.kind === "texture" ? buffer.bytes : Math.max(4, 4 * count);
    return new Float32Array(await this.read(buffer, 0, bytes), 0, count);
  }

  /** Waits until all submitted work is done. @throws {GpuError} what the device reported */
  async idle(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.check();
  }

  /** Waits for the queue, then destroys the device. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#failure?.reason !== "lost") await this.device.queue.onSubmittedWorkDone();
    this.device.destroy();
  }
}

function copyRange(
  encoder: GPUCommandEncoder,
  { buffer, offset, bytes }: BufferRange,
  to: GPUBuffer,
  at: number,
): void {
  if (buffer.kind !== "texture") {
    return encoder.copyBufferToBuffer(buffer.raw, offset, to, at, bytes);
  }
  encoder.copyTextureToBuffer(
    { texture: buffer.texture, origin: [0, offset / TEXTURE_ROW_BYTES] },
    { buffer: to, offset: at, bytesPerRow: TEXTURE_ROW_BYTES },
    [TEXTURE_WIDTH, bytes / TEXTURE_ROW_BYTES],
  );
}
