import { loadPipeline, type Pipeline } from "../mod.ts";
import { orAborted } from "./abort.ts";

/** How a model is computed. */
export interface ModelValues {
  readonly dtype?: "auto" | "f32" | "f16";
  readonly backend?: "vulkan" | "metal" | "dx12" | "gl";
  readonly flexrope?: number;
}

/**
 * Loads a model, uses it and frees it. Once the signal aborts nothing is waited for: the program
 * ends, and what is still on the GPU with it.
 * @throws what `loadPipeline` throws, or the signal's reason
 */
export async function withPipeline<T>(
  folder: string,
  { dtype, backend, flexrope }: ModelValues,
  signal: AbortSignal,
  use: (pipeline: Pipeline) => Promise<T>,
): Promise<T> {
  const loading = loadPipeline(folder, { dtype, backend, slope: flexrope });
  const pipeline = await orAborted(loading, signal);
  try {
    return await use(pipeline);
  } finally {
    if (!signal.aborted) await pipeline.close();
  }
}
