import { size } from "../gpu/memory.ts";
import { CpuGenerator, type GeneratorState } from "../run/noise.ts";
import type { Parameter } from "./parameters.ts";
import type { ParameterSource } from "./settings.ts";

/** Layers that start at zero, so that each block starts as the identity. */
const ZERO = /(norm1\.linear|norm2\.linear|norm_out\.linear|proj_out)\.(weight|bias)$/;
const TABLE = /embedding_table\.weight$/;
const TIMESTEPS = /timestep_embedder\.linear_[12]\.weight$/;
const NORM = /norm_(added_)?[qk]\.weight$/;
const ADAPTER = /\.lora_[AB]\.weight$/;
/** Deviation of tables and timestep layers. */
const DEVIATION = Math.fround(0.02);

/**
 * The released initialisation: linear layers uniform by Xavier with bias 0, tables and timestep
 * layers normal with deviation 0.02, adaLN and output layers 0, RMS norms 1. The numbers are those of
 * the released code after `torch.manual_seed(seed)`. Adapters start as peft's do, with other draws:
 * A uniform within 1 / sqrt(inputs), B zero. Source: released `FAR.initialize_weights`.
 * @param parameters all of the model, in the order of `listParameters`
 */
export function initialWeights(seed: number, parameters: readonly Parameter[]): ParameterSource {
  const starts = drawStarts(seed, parameters.filter(({ name }) => !ADAPTER.test(name)));
  const adapters = new CpuGenerator(seed);
  const generator = new CpuGenerator(seed);
  return (name, shape) => {
    if (name.endsWith("lora_A.weight")) {
      return Promise.resolve(uniform(adapters, shape, 1 / Math.sqrt(shape[1]!)));
    }
    const start = starts.get(name);
    if (!start) return Promise.resolve(new Float32Array(size(shape)).fill(NORM.test(name) ? 1 : 0));
    generator.state = start;
    return Promise.resolve(isNormal(name) ? normal(generator, shape) : xavier(generator, shape));
  };
}

/**
 * The generator's state before the last draw of each parameter that is drawn. PyTorch's layers draw
 * when they are made; then all linear weights are drawn again in the same order, and last the table
 * and the timestep layers.
 */
function drawStarts(
  seed: number,
  parameters: readonly Parameter[],
): ReadonlyMap<string, GeneratorState> {
  const generator = new CpuGenerator(seed);
  const starts = new Map<string, GeneratorState>();
  const skip = ({ name, shape }: Parameter) =>
    isNormal(name) ? generator.randn(size(shape)) : generator.rand(size(shape));
  const draw = (drawn: readonly Parameter[], by: (parameter: Parameter) => void) => {
    for (const parameter of drawn) {
      starts.set(parameter.name, generator.state);
      by(parameter);
    }
  };
  for (const parameter of parameters) {
    if (TABLE.test(parameter.name)) generator.randn(size(parameter.shape));
    else if (!NORM.test(parameter.name)) generator.rand(size(parameter.shape));
  }
  const linear = parameters.filter(({ name, shape }) => shape.length === 2 && !TABLE.test(name));
  draw(linear, ({ shape }) => generator.rand(size(shape)));
  draw(parameters.filter(({ name }) => TABLE.test(name)), skip);
  draw(parameters.filter(({ name }) => TIMESTEPS.test(name)), skip);
  return new Map([...starts].filter(([name]) => !ZERO.test(name)));
}

function isNormal(name: string): boolean {
  return TABLE.test(name) || TIMESTEPS.test(name);
}

function normal(generator: CpuGenerator, shape: readonly number[]): Float32Array {
  return generator.randn(size(shape)).map((value) => DEVIATION * value);
}

/** As `torch.nn.init.xavier_uniform_`. */
function xavier(generator: CpuGenerator, shape: readonly number[]): Float32Array {
  const [outputs, inputs] = shape as [number, number];
  return uniform(generator, shape, Math.sqrt(3) * Math.sqrt(2 / (inputs + outputs)));
}

/** As `torch.Tensor.uniform_` from -bound to bound. */
function uniform(generator: CpuGenerator, shape: readonly number[], bound: number): Float32Array {
  const from = Math.fround(-bound);
  const range = Math.fround(Math.fround(bound) - from);
  return generator.rand(size(shape)).map((value) => value * range + from);
}
