import { type OpenModel, openModelAt } from "../app.ts";
import { loadPipeline, type ModelInfo, type Pipeline, type PipelineOptions } from "../mod.ts";
import { orAborted } from "../cli/abort.ts";
import { ByteProgress } from "../cli/byte_progress.ts";
import type { ProgressOptions } from "../cli/progress.ts";
import { parseLora } from "./lora.ts";
import type { Terminal } from "../cli/terminal.ts";

/** Options for computing a model and showing its loading. */
export interface ModelValues extends ProgressOptions {
  readonly dtype?: "auto" | "f32" | "f16";
  readonly backend?: "vulkan" | "metal" | "dx12" | "gl";
  readonly flexrope?: number;
  /** `FILE[:SCALE]` */
  readonly lora?: string;
  /** Whether nothing is computed, so that no weights are needed. */
  readonly dryRun?: boolean;
}

/** The part of a command's call that `withPipeline` needs. */
export interface ModelCall {
  readonly options: ModelValues;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/**
 * Opens a model, reading only its configuration and the headers of its files.
 * @param lora checked against the model, if given
 * @throws like `loadPipeline` for a folder that is not a model
 */
export async function openModel(folder: string, lora?: string): Promise<OpenModel> {
  return await openModelAt(folder, lora === undefined ? undefined : parseLora(lora));
}

/** Facts about a model. @throws as `openModel` */
export async function modelInfo(folder: string, lora?: string): Promise<ModelInfo> {
  using model = await openModel(folder, lora);
  return model.info;
}

/** Seconds of loading before a bar is shown. */
const PATIENCE = 1;

/**
 * Loads a model, uses it and frees it. When the signal aborts, it waits for nothing: the program
 * ends and takes its GPU memory with it.
 * @param model its folder, or an open model, adapters (LoRA) included
 * @param parts all, or only the autoencoder
 * @throws like `loadPipeline`, or the signal's reason
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
