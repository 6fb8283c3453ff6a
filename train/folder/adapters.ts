import { addProduct } from "../../weights/lora.ts";
import { DIFFUSERS_LORA, LORA_METADATA } from "../../weights/lora_file.ts";
import { adapterNames } from "../pass.ts";

/** File in a run's folder with only its adapters. */
export const ADAPTERS = DIFFUSERS_LORA;

/** Sizes of a run's adapters. */
interface AdapterSizes {
  readonly rank: number;
  /** The rank if absent. */
  readonly alpha?: number;
}

const A = ".lora_A.weight";

/** Layers with adapters, by the adapters' names. */
function layersOf(adapters: ReadonlyMap<string, Float32Array>): string[] {
  return [...adapters.keys()].filter((name) => name.endsWith(A))
    .map((name) => name.slice("transformer.".length, -A.length));
}

/**
 * Weights with adapters merged: W + (alpha / rank) B A.
 * @param weights by released name; @param adapters by the names of `adapterNames`
 */
export function mergeAdapters(
  weights: ReadonlyMap<string, Float32Array>,
  adapters: ReadonlyMap<string, Float32Array>,
  { rank, alpha = rank }: AdapterSizes,
): Map<string, Float32Array> {
  const merged = new Map(weights);
  for (const layer of layersOf(adapters)) {
    const { a, b } = adapterNames(layer);
    const name = `${layer}.weight`;
    const weight = Float32Array.from(weights.get(name)!);
    const factors = { a: adapters.get(a)!, b: adapters.get(b)!, rank, scale: alpha / rank };
    addProduct(weight, 0, factors);
    merged.set(name, weight);
  }
  return merged;
}

/** Metadata from which diffusers reads the adapters' scale and layers. */
export function adapterMetadata(
  adapters: ReadonlyMap<string, Float32Array>,
  { rank, alpha = rank }: AdapterSizes,
): Record<string, string> {
  const settings = { r: rank, lora_alpha: alpha, target_modules: layersOf(adapters) };
  const named = Object.entries(settings).map(([key, value]) => [`transformer.${key}`, value]);
  return { format: "pt", [LORA_METADATA]: JSON.stringify(Object.fromEntries(named)) };
}
