import { matMul, ready, setBackend, tensor2d, version_core } from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import type { Engine, Inputs } from "./engine.ts";

/** `matMul` of TensorFlow.js. */
export async function openTfjs({ x, w, m, k, n }: Inputs): Promise<Engine> {
  if (!await setBackend("webgpu")) throw new Error("TensorFlow.js found no WebGPU device");
  await ready();
  const [a, b] = [tensor2d(x, [m, k]), tensor2d(w, [k, n])];
  return {
    name: `@tensorflow/tfjs-backend-webgpu ${version_core}`,
    async multiply(times) {
      for (let i = 1; i < times; i++) matMul(a, b).dispose();
      const y = matMul(a, b);
      const data = await y.data();
      y.dispose();
      return data as Float32Array;
    },
    close() {
      a.dispose();
      b.dispose();
    },
  };
}
