import { Gpu } from "../../gpu/gpu.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { tensorKind } from "../../gpu/tuning.ts";
import { linear } from "../../kernels/linear.ts";
import { packedShape } from "../../kernels/pack_weight.ts";
import type { Engine, Inputs } from "./engine.ts";

/** This project's `linear`, recorded `times` times. */
export async function openFar({ x, w, m, k, n }: Inputs): Promise<Engine> {
  if (n % 32) throw new RangeError(`Cannot compare n = ${n}: blocks of weights have 32 columns`);
  const gpu = await Gpu.open();
  const memory = new Memory();
  const weight = memory.tensor("w", packedShape(k, n), "f32", tensorKind(gpu.adapter));
  const input = memory.tensor("x", [m, k]);
  const y = memory.tensor("y", [m, n]);
  memory.allocate(gpu);
  gpu.write(weight.buffer, 0, inBlocks(w, k, n, weight.buffer.bytes));
  gpu.write(input.buffer, 0, x);
  const programs = new Map<number, Program>();
  const record = (times: number) => {
    const program = new Program(`${times} products`, memory, gpu.adapter);
    const weights = { weight, inputs: k, outputs: n };
    for (let i = 0; i < times; i++) linear(program, weights, input, { to: y });
    program.finish();
    programs.set(times, program);
    memory.allocate(gpu);
    return program;
  };
  return {
    name: "far, kernels/linear.ts",
    multiply(times) {
      gpu.run(programs.get(times) ?? record(times));
      return gpu.readFloats(y);
    },
    close() {
      memory.free(gpu);
      gpu.close();
    },
  };
}

/** [k, n] as `packWeight` lays it out, in blocks of 32 columns, padded to `bytes` bytes. */
function inBlocks(w: Float32Array, k: number, n: number, bytes: number): Float32Array {
  const packed = new Float32Array(bytes / 4);
  for (let i = 0; i < k * n; i++) {
    const [row, column] = [Math.floor(i / n), i % n];
    packed[(Math.floor(column / 32) * k + row) * 32 + column % 32] = w[i]!;
  }
  return packed;
}
