import type { Gpu } from "../gpu/gpu.ts";
import { type DeviceBuffer, Memory, type MemoryKind, size, type Tensor } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import type { DepthwiseWeights } from "../kernels/depthwise_glu.ts";
import type { LinearWeights } from "../kernels/linear.ts";
import { packedShape, packWeight, type WeightDtype } from "../kernels/pack_weight.ts";
import { toFloats } from "../weights/floats.ts";
import type { TensorInfo } from "../weights/tensor_file.ts";

/** Where weights come from: a `Checkpoint`, or made-up numbers for a benchmark. */
export interface WeightSource {
  /** Declares that the model needs a tensor; the source reports what does not fit. */
  expect(name: string, shape: readonly number[]): TensorInfo;
  /** A range in bytes of a tensor's values. */
  readRange(
    tensor: TensorInfo,
    start: number,
    bytes: number,
    into?: Uint8Array,
  ): Promise<Uint8Array>;
}

export interface FillOptions {
  /** Called as weights are read, with bytes of the file. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Combines several vectors into one, such as a variance and a weight into a scale. */
export type Combine = (...values: Float32Array[]) => Float32Array;

/** A weight that is packed into the layout of `linear` on the GPU. */
interface PackedPart {
  readonly kind: "packed";
  readonly target: Tensor;
  readonly infos: readonly [TensorInfo];
  readonly n: number;
  readonly k: number;
  readonly taps: number;
  /** First column in the target. */
  readonly offset: number;
}

/** Values written in f32, as in the file or as `combine` makes them from several tensors. */
interface FloatsPart {
  readonly kind: "floats";
  readonly target: Tensor;
  readonly infos: readonly TensorInfo[];
  /** First float in the target. */
  readonly offset: number;
  readonly combine?: Combine;
}

type Part = PackedPart | FloatsPart;

/** Most bytes of a weight in memory, and in the staging buffer, at a time. */
const CHUNK = 16 << 20;
/** Bytes in flight to the GPU before waiting for it. */
const IN_FLIGHT = 64 << 20;

/**
 * Declares the weights of a model (names, shapes, buffers) without touching the GPU, then fills
 * them tensor by tensor. So the needs of a model are known from the headers of its files, and no
 * file is ever in memory as a whole.
 */
export class Loader {
  readonly #source: WeightSource;
  readonly #memory: Memory;
  readonly #scope: { readonly prefix: string; readonly parts: Part[] };
  /** Type of the weights of `linear` and `conv`; vectors and tables are always f32. */
  readonly dtype: "f32" | "f16";
  readonly #kind: MemoryKind;

  /** @param kind memory for the weights of `linear` and `conv`: `tensorKind` of a device */
  constructor(
    source: WeightSource,
    memory: Memory,
    dtype: "f32" | "f16",
    kind: MemoryKind = "storage",
    scope: { readonly prefix: string; readonly parts: Part[] } = { prefix: "", parts: [] },
  ) {
    this.#source = source;
    this.#memory = memory;
    this.#scope = scope;
    this.dtype = dtype;
    this.#kind = kind;
  }

  /** The same loader seen from `prefix`: `at("attn").linear("to_q", [d, d])`. */
  at(prefix: string): Loader {
    const scope = { prefix: `${this.#scope.prefix}${prefix}.`, parts: this.#scope.parts };
    return new Loader(this.#source, this.#memory, this.dtype, this.#kind, scope);
  }

  /**
   * A linear layer, or several of one input joined along their outputs (to_q, to_k, to_v).
   * @param names keys without `.weight`; n outputs each, also if several are joined
   */
  linear(
    names: string | readonly string[],
    [n, k]: readonly [n: number, k: number],
    options: { readonly bias?: boolean } = {},
  ): LinearWeights {
    const all = typeof names === "string" ? [names] : names;
    return this.#layer(all, [n, k], [n, k], options.bias ?? true);
  }

  /**
   * A convolution with `size` x `size` taps; 1 x 1 is a `linear` with two more axes in the file.
   */
  conv(
    name: string,
    [n, k]: readonly [n: number, k: number],
    options: { readonly size: number; readonly bias?: boolean },
  ): LinearWeights {
    const shape = [n, k, options.size, options.size];
    return this.#layer([name], [n, k], shape, options.bias ?? true);
  }

  #layer(
    names: readonly string[],
    [n, k]: readonly [number, number],
    shape: readonly number[],
    bias: boolean,
  ): LinearWeights {
    const taps = size(shape) / (n * k);
    const inputs = Math.ceil(k / 4) * 4;
    const outputs = n * names.length;
    const n8 = Math.ceil(outputs / 8) * 8;
    const label = this.#scope.prefix + names.join("+");
    const packed = packedShape(inputs * taps, outputs);
    const target = this.#memory.tensor(`${label}.weight`, packed, this.dtype, this.#kind);
    for (const [i, name] of names.entries()) {
      this.#pack(target, name, shape, { n, k: k * taps, taps, offset: i * n });
    }
    if (!bias) return { weight: target, inputs, outputs };
    const biases = this.#memory.tensor(`${label}.bias`, [n8]);
    for (const [i, name] of names.entries()) {
      this.#floats(biases, [`${name}.bias`], [n], i * n);
    }
    return { weight: target, bias: biases, inputs, outputs };
  }

  /** A depthwise convolution, [at least size x size taps, channels] in f32, with bias. */
  depthwise(name: string, channels: number, options: { readonly size: number }): DepthwiseWeights {
    const taps = options.size ** 2;
    const padded = Math.ceil(channels / 8) * 8;
    const rows = Math.ceil(taps / 4) * 4;
    const label = `${this.#scope.prefix}${name}.weight`;
    const target = this.#memory.tensor(label, [rows, padded]);
    const shape = [channels, 1, options.size, options.size];
    this.#pack(target, name, shape, { n: channels, k: taps, taps: 1, offset: 0 });
    return { weight: target, bias: this.vector(`${name}.bias`, channels) };
  }

  /** A vector in f32, padded with zeros to a multiple of 8. */
  vector(name: string, n: number): Tensor {
    return this.combined(name, [name], n, (values) => values!);
  }

  /** Vectors of n floats, a multiple of 8, one after the other: [names, n]. */
  vectors(label: string, names: readonly string[], n: number): Tensor {
    const target = this.#memory.tensor(this.#scope.prefix + label, [names.length, n]);
    for (const [i, name] of names.entries()) this.#floats(target, [name], [n], i * n);
    return target;
  }

  /** A vector that is computed from several of the same length, padded like `vector`. */
  combined(label: string, names: readonly string[], n: number, combine: Combine): Tensor {
    const shape = [Math.ceil(n / 8) * 8];
    const target = this.#memory.tensor(this.#scope.prefix + label, shape);
    this.#floats(target, names, [n], 0, combine);
    return target;
  }

  /** A row-major tensor in f32, as in the file (an embedding table). */
  table(name: string, shape: readonly number[]): Tensor {
    const target = this.#memory.tensor(this.#scope.prefix + name, shape);
    this.#floats(target, [name], shape, 0);
    return target;
  }

  /** Declares a layer's weight that will be packed. */
  #pack(
    target: Tensor,
    name: string,
    shape: readonly number[],
    place: Pick<PackedPart, "n" | "k" | "taps" | "offset">,
  ): void {
    const infos = [this.#expect(`${name}.weight`, shape)] as const;
    this.#scope.parts.push({ kind: "packed", target, infos, ...place });
  }

  /** Declares tensors of one shape that will be written as they are, or combined. */
  #floats(
    target: Tensor,
    names: readonly string[],
    shape: readonly number[],
    offset: number,
    combine?: Combine,
  ): void {
    const infos = names.map((name) => this.#expect(name, shape));
    this.#scope.parts.push({ kind: "floats", target, infos, offset, combine });
  }

  #expect(name: string, shape: readonly number[]): TensorInfo {
    return this.#source.expect(this.#scope.prefix + name, shape);
  }

  /** Bytes that `fill` will read. */
  get fileBytes(): number {
    return this.#scope.parts.reduce((sum, part) => sum + fileBytes(part), 0);
  }

  /** Bytes of the staging buffer that `fill` needs for its duration. */
  get stagingBytes(): number {
    const packed = this.#scope.parts.filter((part) => part.kind === "packed");
    return Math.max(...packed.map((part) => chunkRows(part) * part.k * 4), 16);
  }

  /**
   * Allocates the declared buffers and fills them. Call it once, after the source has found all
   * names.
   * @throws {CheckpointError} a tensor cannot be read @throws {GpuError}
   */
  async fill(gpu: Gpu, { onProgress, signal }: FillOptions = {}): Promise<void> {
    const { parts } = this.#scope;
    const total = this.fileBytes;
    const transient = new Memory();
    const staging = transient.buffer("weight staging", this.stagingBytes);
    let done = 0;
    let inFlight = 0;
    try {
      staging.allocate(gpu);
      for (const part of parts) {
        part.target.buffer.allocate(gpu);
        const steps = part.kind === "floats"
          ? this.#fillFloats(gpu, part)
          : this.#fillPacked(gpu, part, staging, transient);
        for await (const bytes of steps) {
          signal?.throwIfAborted();
          onProgress?.(done += bytes, total);
          if ((inFlight += bytes) < IN_FLIGHT) continue;
          await gpu.idle();
          inFlight = 0;
        }
      }
      await gpu.idle();
    } finally {
      transient.free(gpu);
    }
  }

  async *#fillFloats(gpu: Gpu, { target, infos, offset, combine }: FloatsPart) {
    const values: Float32Array[] = [];
    for (const info of infos) {
      const bytes = await this.#source.readRange(info, 0, info.bytes);
      values.push(toFloats(bytes, info.dtype, info.name));
    }
    gpu.write(target.buffer, 4 * offset, combine ? combine(...values) : values[0]!);
    yield infos.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Reads the file in as many rows at a time as fit the staging buffer. */
  async *#fillPacked(gpu: Gpu, part: PackedPart, staging: DeviceBuffer, memory: Memory) {
    const { target, n, k, taps, offset, infos: [info] } = part;
    const atOnce = chunkRows(part);
    for (let row = 0; row < n; row += atOnce) {
      const rows = Math.min(atOnce, n - row);
      const bytes = rows * rowBytes(part);
      const raw = await this.#source.readRange(info, row * rowBytes(part), bytes);
      const { data, dtype } = packable(raw, info);
      gpu.write(staging, 0, data);
      const p = new Program(`pack ${info.name}`, memory);
      packWeight(p, staging, target, { dtype, shape: [rows, k], taps, offset: offset + row });
      gpu.run(p);
      yield bytes;
    }
  }
}

function fileBytes(part: Part): number {
  return part.infos.reduce((sum, { bytes }) => sum + bytes, 0);
}

function rowBytes({ infos: [info], n }: PackedPart): number {
  return info.bytes / n;
}

/** Rows of the file per staging buffer: a multiple of 8, or all. */
function chunkRows(part: PackedPart): number {
  const fitting = Math.floor(CHUNK / (4 * part.k) / 8) * 8;
  return Math.min(part.n, Math.max(8, fitting));
}

/** The bytes as the packing kernel needs them: of a dtype it knows, in whole words. */
function packable(raw: Uint8Array, info: TensorInfo): { data: Uint8Array; dtype: WeightDtype } {
  if (info.dtype !== "F32" && info.dtype !== "F16" && info.dtype !== "BF16") {
    const floats = toFloats(raw, info.dtype, info.name);
    return { data: new Uint8Array(floats.buffer), dtype: "F32" };
  }
  if (raw.length % 4 === 0) return { data: raw, dtype: info.dtype };
  const data = new Uint8Array(Math.ceil(raw.length / 4) * 4);
  data.set(raw);
  return { data, dtype: info.dtype };
}
