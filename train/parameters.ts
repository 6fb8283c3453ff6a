import type { Gpu } from "../gpu/gpu.ts";
import { type Memory, size, type Tensor } from "../gpu/memory.ts";
import type { Place } from "../kernels/column_sums.ts";
import type { FarSizes } from "../model/config.ts";
import { shapesOf } from "../released/architecture.ts";
import { parameterOrder } from "./folder/parameter_order.ts";
import type { ParameterSource, TrainState } from "./settings.ts";

/** A parameter, by its released name. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
}

/** All parameters of a transformer, in the order of the released trainer's optimiser. */
export function listParameters(sizes: FarSizes): Parameter[] {
  const shapes = shapesOf(sizes);
  return parameterOrder(shapes).map((name) => ({ name, shape: shapes.get(name)! }));
}

/** Copies of the parameters: the weights, and the optimiser's state. */
export type Copy = "weight" | "gradient" | "moment" | "square" | "shadow";

/** Parameters that share buffers: those of a block, or the rest; trained or frozen. */
export interface ParameterGroup {
  readonly label: string;
  readonly trained: boolean;
  readonly parameters: readonly Parameter[];
  /** Floats of each copy. */
  readonly length: number;
  readonly copies: Readonly<Partial<Record<Copy, Tensor>>>;
}

export interface StoreOptions {
  readonly isTrained: (name: string) => boolean;
  /** Whether averaged weights are kept. */
  readonly ema: boolean;
  /** Label of the parameters' group (by transformer block). */
  readonly labelOf?: (parameter: Parameter) => string;
}

/** Groups by transformer block, and the rest. */
function blockLabel({ name }: Parameter): string {
  const block = /^transformer_blocks\.(\d+)\./.exec(name)?.[1];
  return block === undefined ? "rest" : `block ${block}`;
}

/** Most floats per group, so that its buffers can be bound on every device. */
const GROUP_FLOATS = 2 ** 25;

/** All parameters on the GPU, with gradients, moments and averages for trained ones. */
export class ParameterStore {
  readonly groups: readonly ParameterGroup[];
  readonly #places = new Map<string, { group: ParameterGroup; first: number }>();

  constructor(memory: Memory, parameters: readonly Parameter[], options: StoreOptions) {
    const sorted = new Map<string, Parameter[]>();
    const { isTrained, labelOf = blockLabel } = options;
    for (const parameter of parameters) {
      const label = `${labelOf(parameter)}${isTrained(parameter.name) ? "" : " frozen"}`;
      sorted.set(label, [...sorted.get(label) ?? [], parameter]);
    }
    this.groups = [...sorted].flatMap(([label, all]) =>
      splitGroup(all).map((part) => this.#declare(memory, label, part, options))
    );
  }

  #declare(
    memory: Memory,
    label: string,
    parameters: Parameter[],
    { isTrained, ema }: StoreOptions,
  ): ParameterGroup {
    const trained = isTrained(parameters[0]!.name);
    const length = parameters.reduce((sum, { shape }) => sum + padded(shape), 0);
    const names: Copy[] = trained ? ["weight", "gradient", "moment", "square"] : ["weight"];
    if (trained && ema) names.push("shadow");
    const copies = Object.fromEntries(
      names.map((name) => [name, memory.tensor(`${name}s of ${label}`, [length])]),
    );
    const group = { label, trained, parameters, length, copies };
    let first = 0;
    for (const { name, shape } of parameters) {
      this.#places.set(name, { group, first });
      first += padded(shape);
    }
    return group;
  }

  /** Place of a parameter's copy; undefined if there is none. */
  find(name: string, copy: Copy = "weight"): Place | undefined {
    const place = this.#places.get(name);
    const tensor = place?.group.copies[copy];
    return tensor && { tensor, first: place!.first };
  }

  /** Place of a parameter. @throws {TypeError} there is no such parameter */
  weight(name: string): Place {
    const place = this.find(name);
    if (!place) throw new TypeError(`Cannot train: there is no parameter ${name}`);
    return place;
  }

  /** Floats of a copy of the largest group. */
  get largestGroup(): number {
    return Math.max(...this.groups.map(({ length }) => length));
  }

  /** Groups with gradients. */
  get trained(): readonly ParameterGroup[] {
    return this.groups.filter(({ trained }) => trained);
  }

  /** Writes all parameters, and sets their averages to the same values. */
  async fill(gpu: Gpu, source: ParameterSource): Promise<void> {
    for (const group of this.groups) {
      for (const { name, shape } of group.parameters) {
        const values = await source(name, shape);
        if (values.length !== size(shape)) {
          throw new RangeError(
            `Cannot train: ${name} has ${values.length} numbers, not [${shape.join(", ")}]`,
          );
        }
        this.#write(gpu, name, "weight", values);
        this.#write(gpu, name, "shadow", values);
      }
    }
  }

  #write(gpu: Gpu, name: string, copy: Copy, values: Float32Array): void {
    const place = this.find(name, copy);
    if (!place) return;
    const whole = new Float32Array(Math.ceil(values.length / 4) * 4);
    whole.set(values);
    gpu.write(place.tensor.buffer, 4 * place.first, whole);
  }

  /** Reads a copy of all parameters that have one, by name. */
  async read(gpu: Gpu, copy: Copy): Promise<Map<string, Float32Array>> {
    const found = new Map<string, Float32Array>();
    for (const { copies, parameters } of this.groups) {
      const tensor = copies[copy];
      if (!tensor) continue;
      const all = await gpu.readFloats(tensor);
      for (const { name, shape } of parameters) {
        const { first } = this.#places.get(name)!;
        found.set(name, all.slice(first, first + size(shape)));
      }
    }
    return found;
  }

  /** Sets all gradients to zero. */
  clearGradients(gpu: Gpu): void {
    for (const { copies } of this.trained) {
      const { buffer } = copies.gradient!;
      gpu.write(buffer, 0, new Uint8Array(buffer.bytes));
    }
  }

  /**
   * Writes a copy of all parameters that have one.
   * @throws {RangeError} names one that is missing or of another size
   */
  write(gpu: Gpu, copy: Copy, values: ReadonlyMap<string, Float32Array>): void {
    for (const { copies, parameters } of this.groups) {
      if (!copies[copy]) continue;
      for (const { name, shape } of parameters) {
        const value = values.get(name);
        if (value?.length !== size(shape)) {
          throw new RangeError(`Cannot continue training: the state has no ${copy} of ${name}`);
        }
        this.#write(gpu, name, copy, value);
      }
    }
  }
}

/** The part of a training state that is in parameters: weights, AdamW's moments, averages. */
export type ParameterState = Pick<TrainState, "parameters" | "expAvg" | "expAvgSq" | "ema">;

/** Reads weights, moments and, if they are kept, averages. */
export async function readParameterState(
  store: ParameterStore,
  gpu: Gpu,
  averaged: boolean,
): Promise<ParameterState> {
  return {
    parameters: await store.read(gpu, "weight"),
    expAvg: await store.read(gpu, "moment"),
    expAvgSq: await store.read(gpu, "square"),
    ema: averaged ? await store.read(gpu, "shadow") : undefined,
  };
}

/**
 * Writes what `readParameterState` read; averages that it lacks begin at the weights.
 * @throws {RangeError} it belongs to another model or other settings
 */
export function writeParameterState(
  store: ParameterStore,
  gpu: Gpu,
  { parameters, expAvg, expAvgSq, ema = parameters }: ParameterState,
): void {
  store.write(gpu, "weight", parameters);
  store.write(gpu, "moment", expAvg);
  store.write(gpu, "square", expAvgSq);
  store.write(gpu, "shadow", ema); // nothing where no averages are kept
}

/** Floats of a parameter with padding to whole vec4s. */
function padded(shape: readonly number[]): number {
  return Math.ceil(size(shape) / 4) * 4;
}

function splitGroup(all: readonly Parameter[]): Parameter[][] {
  const parts: Parameter[][] = [[]];
  let length = 0;
  for (const parameter of all) {
    const floats = padded(parameter.shape);
    if (length > 0 && length + floats > GROUP_FLOATS) {
      parts.push([]);
      length = 0;
    }
    parts.at(-1)!.push(parameter);
    length += floats;
  }
  return parts;
}
