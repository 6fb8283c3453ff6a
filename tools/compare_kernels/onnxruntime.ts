import { env, InferenceSession, Tensor } from "onnxruntime-web/webgpu";
import type { Engine, Inputs } from "./engine.ts";
import { onnxMatmul } from "./onnx_matmul.ts";

/** A MatMul node in ONNX Runtime Web's WebGPU provider, w a constant of the model. */
export async function openOnnxRuntime(inputs: Inputs): Promise<Engine> {
  const session = await InferenceSession.create(onnxMatmul(inputs), {
    executionProviders: ["webgpu"],
    preferredOutputLocation: "gpu-buffer",
  });
  const x = new Tensor("float32", inputs.x, [inputs.m, inputs.k]);
  const run = async () => (await session.run({ x })).y!;
  return {
    name: `onnxruntime-web ${env.versions.web}`,
    async multiply(times) {
      for (let i = 1; i < times; i++) (await run()).dispose();
      const y = await run();
      const data = await y.getData(true); // and frees the buffer
      return data as Float32Array;
    },
    close() {
      session.release();
    },
  };
}
