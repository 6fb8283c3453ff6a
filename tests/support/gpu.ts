import { Gpu } from "../../gpu/gpu.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
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

/** Records with `body`, runs once, reads the tensor it returns, frees everything. */
export async function runOnce(
  body: (
    p: Program,
    input: (shape: number[], data: Float32Array | Uint32Array) => Tensor,
  ) => Tensor,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const memory = new Memory();
  const program = new Program("test", memory);
  try {
    let result: Tensor | undefined;
    program.scope(() => {
      result = body(program, (shape, data) => upload(gpu, memory, shape, data));
    });
    program.finish();
    memory.allocate(gpu);
    gpu.run(program);
    return await gpu.readFloats(result!);
  } finally {
    memory.free(gpu);
  }
}
