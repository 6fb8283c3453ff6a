import { Memory } from "../../gpu/memory.ts";
import { type DeviceProfile, tensorKind } from "../../gpu/tuning.ts";
import { type FarSizes, parseTransformerConfig } from "../../model/config.ts";
import { Loader } from "../../model/loader.ts";
import {
  isUnusedByInference,
  loadTransformer,
  type TransformerWeights,
} from "../../model/transformer.ts";
import { openCheckpoint } from "../../weights/open_checkpoint.ts";
import { readFloats, readIntegers, SafetensorsFile } from "../../weights/safetensors.ts";
import { testGpu } from "./gpu.ts";

/** Folder of the outputs of the released code. */
export const GOLDENS = `${import.meta.dirname}/../fixtures/goldens/`;

/** A golden file: values and shapes by name. */
export interface Golden {
  readonly metadata: ReadonlyMap<string, string>;
  readonly names: readonly string[];
  has(name: string): boolean;
  shape(name: string): number[];
  floats(name: string): Promise<Float32Array>;
  integers(name: string): Promise<number[]>;
  close(): void;
}

/** Opens a golden, e.g. "far-long/predict.safetensors". */
export async function openGolden(path: string): Promise<Golden> {
  const file = await SafetensorsFile.open(GOLDENS + path);
  return {
    metadata: file.metadata,
    names: [...file.tensors.keys()],
    has: (name) => file.tensors.has(name),
    shape: (name) => [...file.tensors.get(name)!.shape],
    floats: (name) => readFloats(file, name),
    integers: (name) => readIntegers(file, name),
    close: () => file.close(),
  };
}

/** A golden transformer with its weights on the test GPU, laid out for the kernels of `device`. */
export async function loadGoldenTransformer(
  folder: string,
  dtype: "f32" | "f16",
  device: DeviceProfile,
): Promise<{ sizes: FarSizes; weights: TransformerWeights; memory: Memory }> {
  const gpu = await testGpu();
  const path = `${GOLDENS}${folder}/transformer`;
  const sizes = parseTransformerConfig(JSON.parse(await Deno.readTextFile(`${path}/config.json`)));
  const checkpoint = await openCheckpoint(path);
  const memory = new Memory();
  const loader = new Loader(checkpoint, memory, dtype, tensorKind(device));
  const weights = loadTransformer(loader, sizes);
  checkpoint.finish(isUnusedByInference);
  await loader.fill(gpu);
  checkpoint.close();
  return { sizes, weights, memory };
}
