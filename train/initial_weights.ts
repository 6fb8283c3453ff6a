import { size } from "../gpu/memory.ts";
import { CpuGenerator } from "../run/noise.ts";
import type { ParameterSource } from "./settings.ts";

/** Layers that start at zero, so that each block starts as the identity. */
const ZERO = /(norm1\.linear|norm2\.linear|norm_out\.linear|proj_out)\.(weight|bias)$/;
const SMALL = /(embedding_table|timestep_embedder\.linear_[12])\.weight$/;

/**
 * The released initialisation: linear layers uniform by Xavier with bias 0, tables and timestep
 * layers normal with deviation 0.02, adaLN and output layers 0, RMS norms 1. Adapters start as
 * peft's do: A uniform within 1 / sqrt(inputs), B zero. Source: released `FAR.initialize_weights`;
 * the random draws differ.
 */
export function initialWeights(seed: number): ParameterSource {
  const generator = new CpuGenerator(seed);
  return (name, shape) => Promise.resolve(initialise(generator, name, shape));
}

function initialise(
  generator: CpuGenerator,
  name: string,
  shape: readonly number[],
): Float32Array {
  const count = size(shape);
  if (/norm_(added_)?[qk]\.weight$/.test(name)) return new Float32Array(count).fill(1);
  if (ZERO.test(name) || name.endsWith(".bias") || name.endsWith("lora_B.weight")) {
    return new Float32Array(count);
  }
  if (SMALL.test(name)) return generator.randn(count).map((value) => 0.02 * value);
  const [outputs, inputs] = shape as [number, number];
  const bound = name.endsWith("lora_A.weight")
    ? 1 / Math.sqrt(inputs)
    : Math.sqrt(6 / (inputs + outputs));
  return generator.rand(count).map((value) => bound * (2 * value - 1));
}
