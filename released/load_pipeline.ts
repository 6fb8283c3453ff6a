import { type ModelParts, type OpenModel, openModel } from "../model/model.ts";
import { makePipeline, type Pipeline, type PipelineOptions } from "../run/pipeline.ts";
import { type LoraOptions, withLora } from "../weights/lora.ts";
import { type ModelFolder, openModelFolder } from "../weights/model_folder.ts";

/** How a model folder is loaded. */
export interface LoadOptions extends PipelineOptions {
  /** LoRA in peft's or diffusers' layout, to add to the transformer's weights. */
  readonly lora?: LoraOptions;
}

/**
 * Loads a model folder onto the GPU.
 * @param model path of the folder, or an open model, which stays open
 * @throws {CheckpointError} weights that are missing or malformed
 * @throws {TypeError} a configuration that is not supported
 * @throws {GpuError} no adapter, or not enough memory
 */
export async function loadPipeline(
  model: string | OpenModel,
  { lora, ...how }: LoadOptions = {},
): Promise<Pipeline> {
  if (typeof model !== "string") return await makePipeline(model, how);
  using opened = await openModelAt(model, lora, how.parts);
  return await makePipeline(opened, how);
}

/**
 * Opens the model of a folder: reads its configurations and headers, but not its weights.
 * @param model path of the folder, or the folder if its small files were read
 * @param lora adapters to add to its weights
 * @param parts what of it will be used (all)
 * @throws {CheckpointError | TypeError} as `loadPipeline`
 */
export async function openModelAt(
  model: string | ModelFolder,
  lora?: LoraOptions,
  parts?: ModelParts,
): Promise<OpenModel> {
  const folder = typeof model === "string" ? await openModelFolder(model) : model;
  return await openModel(lora ? withLora(folder, lora) : folder, parts);
}
