import { size } from "../../gpu/memory.ts";
import type { JsonObject } from "../../files/json.ts";
import { autoencoderShapes } from "../../released/architecture.ts";
import { CpuGenerator } from "../../run/noise.ts";
import type { Parameter } from "../parameters.ts";
import type { ParameterSource } from "../settings.ts";
import { glob } from "../trained.ts";

/** Running statistics of batch norms: they belong to the model, and have no gradients. */
export function isStatistic(name: string): boolean {
  return /\.running_(mean|var)$/.test(name);
}

/** Whether a parameter belongs to the encoder; others to the decoder. */
export function isOfEncoder({ name }: Parameter): boolean {
  return name.startsWith("encoder.");
}

/** All parameters of an autoencoder in the order of its modules, statistics included. */
export function listAutoencoderParameters(config: JsonObject): Parameter[] {
  return [...autoencoderShapes(config)].map(([name, shape]) => ({ name, shape }));
}

/** Vectors are separate, so that kernels can bind them; matrices are grouped by half. */
export function groupLabel({ name, shape }: Parameter): string {
  return shape.length === 1 ? name : `${name.split(".")[0]} matrices`;
}

/**
 * Which parameters are trained.
 * @throws {RangeError} patterns that match nothing, or leave nothing to train
 */
export function trainedBy(
  freeze: readonly string[],
  all: readonly Parameter[],
): (name: string) => boolean {
  const patterns = freeze.map((pattern) => ({ pattern, matches: glob(pattern) }));
  for (const { pattern, matches } of patterns) {
    if (all.some(({ name }) => matches.test(name))) continue;
    throw new RangeError(`Cannot freeze "${pattern}": no parameter has such a name`);
  }
  const isTrained = (name: string) =>
    !isStatistic(name) && !patterns.some(({ matches }) => matches.test(name));
  if (all.some(({ name }) => isTrained(name))) return isTrained;
  throw new RangeError("Cannot train: everything is frozen");
}

/**
 * PyTorch's default initialisation, as the released class has it: weights and biases uniform within
 * 1 / sqrt(inputs of an output), norms 1 and 0, statistics those of the standard normal. Source:
 * torch.nn.Conv2d, Linear; the random draws differ.
 */
export function initialAutoencoder(seed: number, all: readonly Parameter[]): ParameterSource {
  const generator = new CpuGenerator(seed);
  const fanIn = new Map<string, number>();
  for (const { name, shape } of all) {
    if (shape.length > 1) fanIn.set(name.replace(/\.weight$/, ""), size(shape.slice(1)));
  }
  return (name, shape) => {
    const count = size(shape);
    const inputs = fanIn.get(name.replace(/\.(weight|bias)$/, ""));
    if (inputs === undefined) {
      return Promise.resolve(new Float32Array(count).fill(/weight$|var$/.test(name) ? 1 : 0));
    }
    const bound = 1 / Math.sqrt(inputs);
    return Promise.resolve(generator.rand(count).map((value) => bound * (2 * value - 1)));
  };
}
