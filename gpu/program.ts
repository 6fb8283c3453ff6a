import type { Commands } from "./commands.ts";
import { GpuError } from "./errors.ts";
import type { Gpu, Runnable } from "./gpu.ts";
import type { DeviceProfile } from "./tuning.ts";
import { type Kernel, packParams } from "./kernel.ts";
import type { DeviceBuffer, Dtype, Memory, MemoryKind, Tensor } from "./memory.ts";

/** Workgroups in x, y, z; a function if they depend on a number that changes from run to run. */
export type Groups = readonly [number, number, number] | (() => readonly [number, number, number]);

/** One kernel call, as recorded. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** Values of `override` constants: they choose a pipeline. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Values of `struct Params`, fixed when recorded. */
  readonly params?: Readonly<Record<string, number>>;
  /** What each binding of the shader refers to. */
  readonly buffers: Readonly<Record<string, Tensor | DeviceBuffer>>;
  readonly groups: Groups;
  /** For timing tables and error messages, if the kernel's name says too little. */
  readonly label?: string;
}

interface Ready {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: Groups;
  readonly label: string;
}

/** WebGPU's default minUniformBufferOffsetAlignment, which every device accepts. */
const UNIFORM_STRIDE = 256;

/**
 * A list of dispatches, recorded once per shape and run as often as needed. Recording needs no
 * device and only declares buffers; pipelines, bind groups and parameters are made at the first
 * run. Kernels read what changes from run to run from a small buffer (`Gpu.write`).
 */
export class Program implements Runnable {
  readonly label: string;
  readonly memory: Memory;
  readonly device: DeviceProfile;
  readonly #dispatches: Dispatch[] = [];
  /** Copies before a dispatch, by its index. */
  readonly #copies = new Map<number, [from: DeviceBuffer, to: DeviceBuffer][]>();
  readonly #scopes: Tensor[][] = [];
  #uniforms: DeviceBuffer | undefined;
  #ready: Ready[] | undefined;

  constructor(label: string, memory: Memory, device: DeviceProfile = { cpu: true }) {
    this.label = label;
    this.memory = memory;
    this.device = device;
  }

  /** Adds a kernel call. */
  dispatch(dispatch: Dispatch): void {
    if (this.#ready) throw new GpuError("internal", `Cannot add to ${this.label}: it is finished`);
    this.#dispatches.push(dispatch);
  }

  /**
   * Adds a copy of a buffer into a texture that serves as memory, before the next kernel call. It
   * ends a compute pass, but costs software adapters a twentieth of what kernels need to read it.
   */
  copyToTexture({ buffer: from }: Tensor, { buffer: to }: Tensor): void {
    if (to.bytes < from.bytes || from.kind !== "storage" || to.kind !== "texture") {
      throw new GpuError("internal", `Cannot copy "${from.label}" into "${to.label}"`);
    }
    const at = this.#dispatches.length;
    this.#copies.set(at, [...this.#copies.get(at) ?? [], [from, to]]);
  }

  /** An intermediate tensor; its memory is reused when the enclosing `scope` ends. */
  scratch(
    shape: readonly number[],
    dtype: Dtype = "f32",
    kind: MemoryKind = "storage",
  ): Tensor {
    const tensor = this.memory.take(shape, dtype, kind);
    const scope = this.#scopes.at(-1);
    if (!scope) throw new GpuError("internal", `Cannot take scratch in ${this.label}: no scope`);
    scope.push(tensor);
    return tensor;
  }

  /** Scratch in f32, in the kind of memory that another tensor lies in. */
  like({ buffer }: Tensor, shape: readonly number[]): Tensor {
    return this.scratch(shape, "f32", buffer.kind);
  }

  /** Runs `body` and then gives back the tensors taken in it, except the one it returns. */
  scope<T extends Tensor | void>(body: () => T): T {
    this.#scopes.push([]);
    const result = body();
    const taken = this.#scopes.pop()!;
    const outer = this.#scopes.at(-1);
    for (const tensor of taken) {
      if (result && tensor.buffer === result.buffer && outer) outer.push(tensor);
      else this.memory.release(tensor);
    }
    return result;
  }

  /** Number of dispatches of one run. */
  get dispatches(): number {
    return this.#dispatches.length;
  }

  /** The recorded dispatches of one run, for counting their work. */
  get recorded(): readonly Dispatch[] {
    return this.#dispatches;
  }

  /** Labels in the order of execution. */
  get labels(): string[] {
    return this.#dispatches.map((d) => d.label ?? d.kernel.name);
  }

  /** Declares what only running needs; called once after recording, before `Memory.allocate`. */
  finish(): this {
    if (this.#uniforms) return this;
    const count = this.#dispatches.filter((d) => d.kernel.paramsBinding !== undefined).length;
    const bytes = count * UNIFORM_STRIDE;
    this.#uniforms = this.memory.buffer(`${this.label} parameters`, bytes, "uniform");
    return this;
  }

  /** Makes pipelines, bind groups and parameter blocks; `encode` calls it when needed. */
  make(gpu: Gpu): readonly Ready[] {
    if (this.#ready) return this.#ready;
    const uniforms = this.finish().#uniforms!;
    uniforms.allocate(gpu);
    const bytes = new ArrayBuffer(uniforms.bytes);
    const view = new DataView(bytes);
    let offset = 0;
    this.#ready = this.#dispatches.map((d) => {
      const label = d.label ?? d.kernel.name;
      const pipeline = gpu.pipeline(d.kernel, d.constants ?? {});
      let uniform: GPUBufferBinding | undefined;
      if (d.kernel.paramsBinding !== undefined) {
        packParams(d.kernel, d.params ?? {}, view, offset);
        const size = Math.ceil(d.kernel.params.length / 4) * 16;
        uniform = { buffer: uniforms.raw, offset, size };
        offset += UNIFORM_STRIDE;
      }
      return { pipeline, bindGroup: bind(gpu, d, pipeline, uniform), groups: d.groups, label };
    });
    gpu.write(uniforms, 0, new Uint8Array(bytes));
    return this.#ready;
  }

  /** Encodes dispatches, and the copies before them: all, or those from `start` up to `end`. */
  encode(gpu: Gpu, commands: Commands, start = 0, end = Infinity): void {
    for (const [i, ready] of this.make(gpu).slice(start, end).entries()) {
      for (const [from, to] of this.#copies.get(start + i) ?? []) commands.copy(from, to);
      const { pipeline, bindGroup, groups, label } = ready;
      const [x, y, z] = typeof groups === "function" ? groups() : groups;
      if (x * y * z === 0) continue;
      gpu.checkGroups(label, Math.max(x, y, z));
      const { pass } = commands;
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
    }
  }
}

function bind(
  gpu: Gpu,
  { kernel, buffers, label }: Dispatch,
  pipeline: GPUComputePipeline,
  uniform: GPUBufferBinding | undefined,
): GPUBindGroup {
  const entries: GPUBindGroupEntry[] = [];
  if (uniform) entries.push({ binding: kernel.paramsBinding!, resource: uniform });
  for (const [name, { binding, space }] of kernel.bindings) {
    const bound = buffers[name];
    if (!bound) throw new TypeError(`Cannot run ${kernel.name}: nothing is bound to ${name}`);
    const buffer = "buffer" in bound ? bound.buffer : bound;
    if (buffer.kind !== space) {
      throw new TypeError(
        `Cannot run ${kernel.name}: ${name} must be ${space}, not ${buffer.kind}`,
      );
    }
    gpu.checkBinding(buffer);
    entries.push({ binding, resource: buffer.resource });
  }
  for (const name of Object.keys(buffers)) {
    if (kernel.bindings.has(name)) continue;
    throw new TypeError(`Cannot run ${kernel.name}: it has no binding ${name}`);
  }
  const name = label ?? kernel.name;
  const layout = pipeline.getBindGroupLayout(0);
  const make = () => gpu.device.createBindGroup({ label: name, layout, entries });
  return gpu.naming(`the buffers of ${name}`, make);
}
