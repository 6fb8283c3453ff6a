import { Gpu } from "../../gpu/gpu.ts";
import { type DeviceBuffer, Memory, type Tensor, tensorBytes } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";

let shared: Promise<Gpu> | undefined;

/** The one device of a test process; a test that needs a GPU fails loudly without an adapter. */
export function testGpu(): Promise<Gpu> {
  return shared ??= Gpu.open();
}

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

/** A tensor of half floats, each value rounded to the nearest one. */
export function uploadHalves(
  gpu: Gpu,
  memory: Memory,
  shape: readonly number[],
  data: Float32Array,
): Tensor {
  const halves = new Float16Array(Math.ceil(data.length / 2) * 2);
  halves.set(data);
  const words = upload(gpu, memory, [halves.length / 2], new Uint32Array(halves.buffer));
  return { buffer: words.buffer, shape, dtype: "f16" };
}

/** A uniform buffer that holds these bytes when the recording runs. */
export type UniformInput = (data: Uint32Array | DataView) => DeviceBuffer;

/** Makes an input tensor of a recording; "f16" rounds the values. */
export type Input = (
  shape: number[],
  data: Float32Array | Uint32Array,
  dtype?: "f16",
) => Tensor;

/** Records with `body`, runs once, reads the tensors it returns, frees everything. */
export async function runAll(
  body: (p: Program, input: Input, uniform: UniformInput) => Tensor[],
): Promise<ArrayBuffer[]> {
  const gpu = await testGpu();
  const memory = new Memory();
  const program = new Program("test", memory);
  const input: Input = (shape, data, dtype) =>
    dtype === "f16"
      ? uploadHalves(gpu, memory, shape, data as Float32Array)
      : upload(gpu, memory, shape, data);
  const uniform: UniformInput = (data) => {
    const buffer = memory.buffer("test uniform", data.byteLength, true);
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
      bytes.push((await gpu.read(buffer, 0, Math.ceil(length / 4) * 4)).slice(0, length));
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
