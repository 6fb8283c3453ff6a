import type { Condition } from "../model/config.ts";
import { type DeclaredModel, declareModel, type OpenModel } from "../model/model.ts";
import { type GenerateOptions, type OptionsInfo, resolveOptions } from "./options.ts";
import { declareRun } from "./prepared_run.ts";

/** GPU memory in bytes. */
export interface MemoryNeed {
  /** Weights of transformer and autoencoder. */
  readonly weights: number;
  /** Caches, activations, tables, pictures. */
  readonly run: number;
  /** Weights and run. */
  readonly total: number;
  /** The largest single buffer: a storage binding must span it. */
  readonly largest: number;
}

/** Options of a run that affect its memory. */
export type MemoryOptions = Omit<GenerateOptions, "context"> & {
  /** Type of weights and caches (f32). */
  readonly dtype?: "f32" | "f16";
  /** Whether it runs on a software adapter, whose kernels differ (no). */
  readonly cpu?: boolean;
};

/**
 * Memory for generating so many frames, computed from the headers of the weights: the buffers are
 * declared as a run declares them, so the result is exact. Needs no GPU. Without actions, all of
 * the model's are assumed to occur.
 * @param options.frames generated frames; `dtype` of weights and caches (f32)
 * @throws {TypeError | RangeError} as `Pipeline.plan`
 */
export function memoryNeeded(opened: OpenModel, options: MemoryOptions): MemoryNeed {
  const device = { cpu: options.cpu ?? false };
  return needOf(declareModel(opened, { dtype: options.dtype ?? "f32", device }), options);
}

type Declared = Omit<DeclaredModel, "info" | "fill"> & {
  readonly info: OptionsInfo;
};

/**
 * Memory for a run of a declared model, see {@linkcode memoryNeeded}.
 * @throws {TypeError | RangeError} as `Pipeline.plan`
 */
export function needOf(model: Declared, options: MemoryOptions): MemoryNeed {
  const { info } = model;
  const { contextFrames = 0, frames: generated, ...rest } = options;
  const frames = generated + contextFrames;
  const stand = standInClasses(info.condition, frames);
  const resolved = resolveOptions({ ...stand, ...rest, frames }, info);
  const run = declareRun(model, { cpu: options.cpu ?? false }, {
    ...resolved,
    classes: options.actions ? resolved.classes : allClasses(info.condition, resolved.classes),
    contextFrames,
    generated,
  });
  const weights = model.memory.bytes;
  return {
    weights,
    run: run.memory.bytes,
    total: weights + run.memory.bytes,
    largest: Math.max(model.memory.largest?.bytes ?? 0, run.memory.largest?.bytes ?? 0),
  };
}

/** Any classes will do, since only their number matters. */
function standInClasses({ kind, count }: Condition, frames: number) {
  return {
    actions: kind === "action" ? Array<number>(frames).fill(count) : undefined,
    labels: kind === "label" ? [0] : undefined,
  };
}

function allClasses({ kind, count }: Condition, used: readonly number[]): readonly number[] {
  return kind === "action" ? Array.from({ length: count }, (_, i) => i) : used;
}
