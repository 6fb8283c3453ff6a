import { type Memory, size as count, type Tensor } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { broadcasts, type DeviceProfile } from "../../gpu/tuning.ts";
import { activation, activationBackward, type ActivationKind } from "../../kernels/activation.ts";
import type { NormWeights } from "../../kernels/channel_norm.ts";
import { clear } from "../../kernels/clear.ts";
import { addSums, columnSums, type Place, SUM_CHUNK } from "../../kernels/column_sums.ts";
import { conv2d, type Conv2dOptions } from "../../kernels/conv2d.ts";
import { conv2dGradient } from "../../kernels/conv2d_gradient.ts";
import { inKind } from "../../kernels/copy.ts";
import type { DepthwiseWeights } from "../../kernels/depthwise_glu.ts";
import { updated } from "../../kernels/memory_forms.ts";
import type { NormSums } from "../../kernels/norm_sums.ts";
import {
  type FilterOptions,
  packedShape,
  packFilters,
  packsFilters,
  packWeight,
} from "../../kernels/pack_weight.ts";
import { type CopiedGroup, copiedWeights } from "../copied_weights.ts";
import type { Parameter, ParameterStore } from "../parameters.ts";

/** Inputs for recording a pass through an autoencoder. */
export interface Tape {
  readonly program: Program;
  readonly store: ParameterStore;
  readonly packed: PackedWeights;
  /** Names of the convolutions whose weights this program has packed, where they are kept. */
  readonly known: Set<string>;
  /** Weights that this program has copied into an image last. */
  readonly copied: CopiedGroup;
  /** Whether to use the statistics of the batch instead of the running ones. */
  readonly training: boolean;
  /** Whether to compute blocks again in the backward pass instead of keeping their activations. */
  readonly recompute: boolean;
}

/**
 * Memory for packed weights of convolutions: on devices that gather from images each layer has its
 * own, which both directions read, packed once per program; on others they share scratch.
 */
export class PackedWeights {
  readonly #memory: Memory;
  readonly #shared: Tensor | undefined;
  readonly #own = new Map<string, Tensor>();

  /** @param all parameters that may be packed */
  constructor(memory: Memory, device: DeviceProfile, all: readonly Parameter[]) {
    this.#memory = memory;
    if (!broadcasts(device)) this.#shared = memory.tensor("packed", [largestWeight(all)]);
  }

  /** Whether layers keep their weights. */
  get kept(): boolean {
    return this.#shared === undefined;
  }

  /** A layer's memory. */
  of(name: string, shape: readonly number[]): Tensor {
    if (this.#shared) return { ...this.#shared, shape };
    const known = this.#own.get(name) ??
      this.#memory.tensor(`packed ${name}`, shape, "f32", "texture");
    this.#own.set(name, known);
    return known;
  }

  /** An image for copies of groups of weights. */
  image(floats: number): Tensor {
    return this.of(`copied weights of ${floats}`, [floats]);
  }
}

/**
 * Floats of the largest layer packed for products in either direction; attention's three are
 * joined.
 */
function largestWeight(parameters: readonly Parameter[]): number {
  const floats = parameters.map(({ name, shape: [n, inputs, ...taps] }) => {
    if (inputs === undefined || (inputs === 1 && taps[0] === 3)) return 0;
    const outputs = /\.to_[qkv]\.weight$/.test(name) ? 3 * n! : n!;
    const of = (k: number, columns: number) => count(packedShape(ceil4(k) * count(taps), columns));
    return Math.max(of(inputs, outputs), of(outputs, inputs));
  });
  return Math.max(...floats);
}

/** A layer's result and its backward function. */
export interface Layer {
  readonly y: Tensor;
  /** Takes dy, which it may overwrite, and returns dx, maybe the same; adds to the gradients of weights. */
  readonly back: (dy: Tensor) => Tensor;
}

/** A convolution, or several that share their input and are joined. */
export interface ConvSpec {
  readonly names: readonly string[];
  /** Total outputs. */
  readonly outputs: number;
  readonly inputs: number;
  /** Taps along an axis. */
  readonly size: 1 | 3;
  readonly bias?: boolean;
}

/** A vector, which has its own buffer. */
export function vector({ store }: Tape, name: string): Tensor {
  const { tensor, first } = store.weight(name);
  if (first !== 0) throw new TypeError(`Cannot bind ${name}: it lies among others`);
  return tensor;
}

/** Weight and bias of a norm. */
export function normWeights(t: Tape, name: string): NormWeights {
  return { weight: vector(t, `${name}.weight`), bias: vector(t, `${name}.bias`) };
}

/** Adds sums of chunks to the gradients of a norm. */
export function addNormGradients({ program, store }: Tape, name: string, sums: NormSums): void {
  for (const kind of ["weight", "bias"] as const) {
    const target = store.find(`${name}.${kind}`, "gradient");
    const partial = sums[kind];
    if (target) addSums(program, partial, partial.shape as [number, number], target);
  }
}

/** y = conv(x) with the current weights. */
export function convForward(
  t: Tape,
  spec: ConvSpec,
  x: Tensor,
  options: Conv2dOptions = {},
): Tensor {
  const { names, outputs, inputs, bias } = spec;
  const layer = {
    weight: packedWeight(t, spec),
    inputs: ceil4(inputs),
    outputs,
    ...(bias && { bias: vector(t, `${names[0]}.bias`) }),
  };
  return conv2d(t.program, layer, x, { label: kindOf(names[0]!), ...options });
}

/** A convolution's weights as `conv2d` reads them. */
function packedWeight(t: Tape, { names, outputs, inputs, size }: ConvSpec): Tensor {
  const taps = size ** 2;
  const weight = t.packed.of(names[0]!, packedShape(ceil4(inputs) * taps, outputs));
  if (t.known.has(names[0]!)) return weight;
  if (t.packed.kept) t.known.add(names[0]!);
  const each = outputs / names.length;
  for (const [i, name] of names.entries()) {
    const shape = [each, inputs * taps] as const;
    packInto(t, t.store.weight(`${name}.weight`), weight, { shape, taps, offset: i * each });
  }
  return weight;
}

/** Packs filters: from an image if that is where the device gathers from. */
function packInto(
  { program: p, store, packed, copied }: Tape,
  place: Place,
  weight: Tensor,
  options: FilterOptions,
): void {
  const { tensor, first } = place;
  if (!packed.kept || !packsFilters(options, place)) {
    return packWeight(p, tensor.buffer, weight, { dtype: "F32", first, ...options });
  }
  const image = copiedWeights(p, tensor, packed.image(store.largestGroup), copied);
  packFilters(p, { tensor: image, first }, weight, options);
}

/** Gradient of a convolution's input; added to `into` if given. */
export function convInputGradient(t: Tape, spec: ConvSpec, dy: Tensor, into?: Tensor): Tensor {
  const { names, outputs, inputs } = spec;
  const label = `${kindOf(names[0]!)} input gradient`;
  const transposed = t.packed.kept;
  const weight = transposed ? packedWeight(t, spec) : transposedWeight(t, spec);
  const layer = { weight, inputs: ceil4(outputs), outputs: inputs };
  return conv2d(t.program, layer, dy, { label, transposed, ...(into && { into }) });
}

/** A convolution's weights as `conv2d` reads them to lead a gradient back. */
function transposedWeight(t: Tape, { names, outputs, inputs, size }: ConvSpec): Tensor {
  const taps = size ** 2;
  const weight = t.packed.of(names[0]!, packedShape(ceil4(outputs) * taps, inputs));
  const each = outputs / names.length;
  for (const [i, name] of names.entries()) {
    const { tensor, first } = t.store.weight(`${name}.weight`);
    const shape = [inputs, each * taps] as const;
    packWeight(t.program, tensor.buffer, weight, {
      ...{ dtype: "F32", shape, taps, first, transposed: true },
      ...(names.length > 1 && { row: i * each }),
    });
  }
  return weight;
}

/** The gradient of a convolution's weight by itself, in scratch. */
export function weightGradient(
  { program: p }: Tape,
  { outputs: n, inputs, size }: ConvSpec,
  x: Tensor,
  dy: Tensor,
): Tensor {
  const floats = ceil4(n * inputs * size ** 2);
  const tensor = p.scratch([floats]);
  clear(p, tensor, 0, floats);
  conv2dGradient(p, x, dy, { tensor, first: 0 }, { n, inputs, size });
  return tensor;
}

/** Adds to the gradients of a convolution's weights and bias, if they are trained. */
export function convGradients(t: Tape, spec: ConvSpec, x: Tensor, dy: Tensor): void {
  const { names, outputs, inputs, size, bias } = spec;
  const n = outputs / names.length;
  for (const [i, name] of names.entries()) {
    const target = t.store.find(`${name}.weight`, "gradient");
    if (!target) continue;
    conv2dGradient(t.program, x, dy, target, { n, inputs, size, offset: i * n });
  }
  const target = bias ? t.store.find(`${names[0]}.bias`, "gradient") : undefined;
  if (target) addColumns(t.program, dy, target);
}

function addColumns(p: Program, dy: Tensor, target: Place): void {
  const columns = dy.shape.at(-1)!;
  const rows = dy.shape.slice(0, -1).reduce((a, b) => a * b);
  p.scope(() => {
    const partial = p.scratch([Math.ceil(rows / SUM_CHUNK), columns]);
    columnSums(p, { tensor: dy, stride: columns }, [rows, columns], target, partial);
  });
}

/** The weights of a depthwise 3 x 3 convolution of x in scratch, in its kernels' layout. */
export function depthwiseWeights(t: Tape, name: string, x: Tensor): DepthwiseWeights {
  const channels = x.shape.at(-1)!;
  const { program: p } = t;
  const weight = p.like(x, [12, channels]); // nine taps, padded to whole vec4s
  const { tensor, first } = t.store.weight(`${name}.weight`);
  packWeight(p, tensor.buffer, weight, { dtype: "F32", shape: [channels, 9], first });
  const bias = vector(t, `${name}.bias`);
  return { weight, bias: inKind(p, bias, x.buffer.kind) };
}

/**
 * What both directions need: kept on CPUs, where computing it costs more than memory does; elsewhere
 * computed twice.
 */
export function forBoth<T>({ packed }: Tape, make: () => T): () => T {
  if (!packed.kept) return make;
  const kept = make();
  return () => kept;
}

/** act(x). */
export function activated(p: Program, kind: ActivationKind, x: Tensor): Tensor {
  const y = p.like(x, x.shape);
  activation(p, kind, { x, y }, count(x.shape));
  return y;
}

/** dy act'(x): in the place of dy, unless it is an image. */
export function activatedBackward(
  p: Program,
  kind: ActivationKind,
  x: Tensor,
  dy: Tensor,
): Tensor {
  const to = updated(p, dy);
  activationBackward(p, kind, { x, dy, to }, count(x.shape));
  return to;
}

/** Channels rounded up to whole vec4s. */
export function ceil4(channels: number): number {
  return Math.ceil(channels / 4) * 4;
}

/** The last part of a layer's name, for tables of times. */
function kindOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
