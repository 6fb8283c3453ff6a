import { type Device, init, numpy } from "@jax-js/jax";
import type { Engine, Inputs } from "./engine.ts";

/** `numpy.matmul` of jax-js. */
export async function openJax({ x, w, m, k, n }: Inputs): Promise<Engine> {
  const device: Device = "webgpu";
  if (!(await init(device)).includes(device)) throw new Error("jax-js found no WebGPU device");
  const put = (data: Float32Array<ArrayBuffer>, shape: number[]) =>
    numpy.array(data, { shape, device });
  const [a, b] = [put(x, [m, k]), put(w, [k, n])];
  return {
    name: "@jax-js/jax 0.1.25",
    async multiply(times) {
      // Arrays are lazy and consumed by use: asking for the buffer submits the work.
      for (let i = 1; i < times; i++) await numpy.matmul(a.ref, b.ref).gpuBuffer();
      return await numpy.matmul(a.ref, b.ref).data() as Float32Array;
    },
    close() {
      a.dispose();
      b.dispose();
    },
  };
}
