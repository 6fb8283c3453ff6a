import { makePipeline, type Pipeline, type PipelineOptions } from "../run/pipeline.ts";
import { type LoraOptions, withLora } from "../weights/lora.ts";
import { openModelFolder } from "../weights/model_folder.ts";

/** How a model folder is loaded. */
export interface LoadOptions extends PipelineOptions {
  /** Adapters (LoRA) of peft's or diffusers' layout that are added to the transformer's weights. */
  readonly lora?: LoraOptions;
}

/**
 * Loads a model folder onto the GPU.
 * @throws {CheckpointError} weights that are missing or malformed
 * @throws {TypeError} a configuration that is not supported
 * @throws {GpuError} no adapter, or not enough memory
 */
export async function loadPipeline(path: string, options: LoadOptions = {}): Promise<Pipeline> {
  const { lora, ...how } = options;
  const folder = await openModelFolder(path);
  return await makePipeline(lora ? withLora(folder, lora) : folder, how);
}
