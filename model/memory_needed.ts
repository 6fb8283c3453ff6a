import { declareModel } from "./model.ts";
import { type GenerateOptions, resolveOptions } from "./options.ts";
import { declareRun } from "./pipeline.ts";

/** GPU memory in bytes. */
export interface MemoryNeed {
  readonly weights: number;
  /** Caches, activations, tables, pictures. */
  readonly run: number;
  readonly total: number;
  /** The largest single buffer: a storage binding must span it. */
  readonly largest: number;
}

/**
 * What generating so many frames takes, computed from the headers of the weights alone: the buffers
 * are declared as a run declares them, so the figure is the run's own. Needs no GPU.
 * @param options.frames generated frames; `dtype` of weights and caches (f32)
 * @throws {CheckpointError | TypeError | RangeError} as `loadPipeline` and `Pipeline.plan`
 */
export async function memoryNeeded(
  path: string,
  options: Omit<GenerateOptions, "context"> & {
    readonly dtype?: "f32" | "f16";
    readonly cpu?: boolean;
  },
): Promise<MemoryNeed> {
  const model = await declareModel(path, { dtype: options.dtype ?? "f32" });
  model.close();
  const { info, sizes } = model;
  const { kind, count } = info.condition;
  const frames = options.frames + (options.contextFrames ?? 0);
  const classes = {
    actions: kind === "action" ? Array<number>(frames).fill(count) : undefined,
    labels: kind === "label" ? [count] : undefined,
  };
  const { contextFrames = 0, ...rest } = options;
  const resolved = resolveOptions({ ...classes, ...rest, frames }, info, sizes.channels);
  const run = declareRun(model, { cpu: options.cpu ?? false }, {
    ...resolved,
    contextFrames,
    generated: options.frames,
  });
  const weights = model.memory.bytes;
  return {
    weights,
    run: run.memory.bytes,
    total: weights + run.memory.bytes,
    largest: Math.max(model.memory.largest?.bytes ?? 0, run.memory.largest?.bytes ?? 0),
  };
}
