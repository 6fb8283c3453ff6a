import { type OpenModel, openModelAt } from "../app.ts";
import { loadPipeline, type ModelInfo, type Pipeline, type PipelineOptions } from "../mod.ts";
import { orAborted } from "../cli/abort.ts";
import { ByteProgress } from "../cli/byte_progress.ts";
import type { ProgressOptions } from "../cli/progress.ts";
import { parseLora } from "./lora.ts";
import type { Terminal } from "../cli/terminal.ts";

/** How a model is computed, and how its loading is shown. */
export interface ModelValues extends ProgressOptions {
  readonly dtype?: "auto" | "f32" | "f16";
  readonly backend?: "vulkan" | "metal" | "dx12" | "gl";
  readonly flexrope?: number;
  /** `FILE[:SCALE]` */
  readonly lora?: string;
  /** Nothing is to be computed, so that no weights are needed. */
  readonly dryRun?: boolean;
}

/** What `withPipeline` takes of a call of a command. */
export interface ModelCall {
  readonly options: ModelValues;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/**
 * A model, of which only the configuration and the headers of its files are read.
 * @param lora checked against the model, where there is one
 * @throws what `loadPipeline` throws of a folder that is no model
 */
export async function openModel(folder: string, lora?: string): Promise<OpenModel> {
  return await openModelAt(folder, lora === undefined ? undefined : parseLora(lora));
}

/** What a model is. @throws as `openModel` */
export async function modelInfo(folder: string, lora?: string): Promise<ModelInfo> {
  using model = await openModel(folder, lora);
  return model.info;
}

/** Seconds of loading before it is worth a bar. */
const PATIENCE = 1;

/**
 * Loads a model, uses it and frees it. Once the signal aborts nothing is waited for: the program
 * ends, and what is still on the GPU with it.
 * @param model its folder, or the model already open, its adapters (LoRA) included
 * @param parts all, or the autoencoder alone
 * @throws what `loadPipeline` throws, or the signal's reason
 */
export async function withPipeline<T>(
  model: string | OpenModel,
  { options, terminal, signal }: ModelCall,
  use: (pipeline: Pipeline) => Promise<T>,
  parts?: PipelineOptions["parts"],
): Promise<T> {
  const { dtype, backend, flexrope: slope, dryRun: planOnly } = options;
  const isOpen = typeof model !== "string";
  const lora = isOpen || options.lora === undefined ? undefined : parseLora(options.lora);
  const progress = new ByteProgress({ ...options, patience: PATIENCE }, terminal);
  const onProgress = progress.update;
  const how = { dtype, backend, slope, lora, parts, planOnly, onProgress };
  const loading = loadPipeline(model, how);
  const pipeline = await orAborted(loading, signal).finally(() => progress.stop());
  try {
    return await use(pipeline);
  } finally {
    if (!signal.aborted) await pipeline.close();
  }
}
