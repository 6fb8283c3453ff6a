import { makePipeline, type Pipeline, type PipelineOptions } from "../run/pipeline.ts";
import { openModelFolder } from "../weights/model_folder.ts";

/**
 * Loads a model folder onto the GPU.
 * @throws {CheckpointError} weights that are missing or malformed
 * @throws {TypeError} a configuration that is not supported
 * @throws {GpuError} no adapter, or not enough memory
 */
export async function loadPipeline(path: string, options: PipelineOptions = {}): Promise<Pipeline> {
  return await makePipeline(await openModelFolder(path), options);
}
