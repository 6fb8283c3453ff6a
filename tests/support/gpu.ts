import "../../host/deno_host.ts";
import { Gpu } from "../../gpu/gpu.ts";
import {
  type DeviceBuffer,
  Memory,
  type Tensor,
  tensorBytes,
  TEXTURE_ROW_BYTES,
} from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import type { DeviceProfile, TuningTable } from "../../gpu/tuning.ts";

let shared: Promise<Gpu> | undefined;

/** The one device of a test process; a test that needs a GPU fails loudly without an adapter. */
export function testGpu(): Promise<Gpu> {
  return shared ??= Gpu.open();
}

/** Gives code that opens a device while `body` runs the shared one, with its pipelines. */
export async function onTestGpu<T>(body: () => Promise<T>): Promise<T> {
  const gpu = await testGpu();
  const { open } = Gpu;
  Gpu.open = () => Promise.resolve(gpu);
  gpu.close = () => Promise.resolve();
  try {
    return await body();
  } finally {
    Gpu.open = open;
  }
}

/** Divides whatever can be divided: products by k, the keys of an attention, among workgroups too. */
const DIVIDED = new Proxy<TuningTable>({}, { get: () => ({ slices: 2, ahead: 0, split: 4 }) });

/**
 * Which forms of kernels a whole model is tested with: the last with no more than eight buffers, and
 * none by exchanges among more lanes than llvmpipe's subgroups have.
 */
export const KERNELS: Readonly<Record<string, (gpu: Gpu) => DeviceProfile>> = {
  "own kernels": ({ adapter }) => adapter,
  "GPU kernels": () => ({ cpu: false, subgroupSize: 8, storageBuffers: 10 }),
  "GPU kernels, divided": () => ({ cpu: false, subgroupSize: 8, tuning: DIVIDED }),
};

/** Options for tests that use the shared device: it outlives each of them. */
export const GPU_TEST = { sanitizeOps: false, sanitizeResources: false };

/** A tensor with these values, on the GPU. */
export function upload(
  gpu: Gpu,
  memory: Memory,
  shape: readonly number[],
  data: Float32Array | Uint32Array | Int32Array,
): Tensor {
  const dtype = data instanceof Float32Array ? "f32" : "u32";
  const tensor = memory.tensor("test input", shape, dtype);
  tensor.buffer.allocate(gpu);
  gpu.write(tensor.buffer, 0, data);
  return tensor;
}

/** How an input is stored, if not as its values are. */
export interface InputOptions {
  /** f16 rounds each value to the nearest half float. */
  readonly dtype?: "f32" | "f16";
  readonly kind?: "storage" | "texture";
}

/** A tensor of half floats, or in an image. */
export function uploadAs(
  gpu: Gpu,
  memory: Memory,
  shape: readonly number[],
  data: Float32Array,
  { dtype = "f32", kind = "storage" }: InputOptions,
): Tensor {
  const tensor = memory.tensor("test input", shape, dtype, kind);
  tensor.buffer.allocate(gpu);
  const bytes = new ArrayBuffer(tensor.buffer.bytes);
  if (dtype === "f16") new Float16Array(bytes).set(data);
  else new Float32Array(bytes).set(data);
  gpu.write(tensor.buffer, 0, new Uint8Array(bytes));
  return tensor;
}

/** A uniform buffer that holds these bytes when the recording runs. */
export type UniformInput = (data: Uint32Array | DataView) => DeviceBuffer;

/** Makes an input tensor of a recording. */
export type Input = (
  shape: number[],
  data: Float32Array | Uint32Array,
  options?: InputOptions,
) => Tensor;

/** Records with `body`, runs once, reads the tensors it returns, frees everything. */
export async function runAll(
  body: (p: Program, input: Input, uniform: UniformInput) => Tensor[],
): Promise<ArrayBuffer[]> {
  const gpu = await testGpu();
  const memory = new Memory();
  const { cpu, subgroupSize, storageBuffers, f16 } = gpu.adapter;
  const program = new Program("test", memory, { cpu, subgroupSize, storageBuffers, f16 });
  const input: Input = (shape, data, options) =>
    options
      ? uploadAs(gpu, memory, shape, data as Float32Array, options)
      : upload(gpu, memory, shape, data);
  const uniform: UniformInput = (data) => {
    const buffer = memory.buffer("test uniform", data.byteLength, "uniform");
    buffer.allocate(gpu);
    gpu.write(buffer, 0, data);
    return buffer;
  };
  try {
    let results: Tensor[] = [];
    program.scope(() => {
      results = body(program, input, uniform);
    });
    program.finish();
    memory.allocate(gpu);
    gpu.run(program);
    const bytes: ArrayBuffer[] = [];
    for (const { buffer, shape, dtype } of results) {
      const length = tensorBytes(shape, dtype);
      const unit = buffer.kind === "texture" ? TEXTURE_ROW_BYTES : 4;
      bytes.push((await gpu.read(buffer, 0, Math.ceil(length / unit) * unit)).slice(0, length));
    }
    return bytes;
  } finally {
    memory.free(gpu);
  }
}

/** The same for one f32 result. */
export async function runOnce(
  body: (p: Program, input: Input, uniform: UniformInput) => Tensor,
): Promise<Float32Array> {
  const [bytes] = await runAll((p, input, uniform) => [body(p, input, uniform)]);
  return new Float32Array(bytes!);
}

/** What a body records with the kernels of a kind of device (a name of `KERNELS`), in floats. */
export async function runBy(
  by: string,
  body: (p: Program, input: Input) => Tensor[],
): Promise<Float32Array[]> {
  const device = KERNELS[by]!(await testGpu());
  const all = await runAll((p, input) => {
    const other = new Program("form", p.memory, device);
    let results: Tensor[] = [];
    other.scope(() => {
      results = body(other, input);
    });
    for (const dispatch of other.recorded) p.dispatch(dispatch);
    return results;
  });
  return all.map((bytes) => new Float32Array(bytes));
}
