import { addProduct } from "../../weights/lora.ts";
import { DIFFUSERS_LORA, LORA_METADATA } from "../../weights/lora_file.ts";
import { adapterNames } from "../pass.ts";

/** File of a run's folder with its adapters alone. */
export const ADAPTERS = DIFFUSERS_LORA;

/** How adapters of a run are made. */
interface AdapterSizes {
  readonly rank: number;
  /** The rank where absent. */
  readonly alpha?: number;
}

const A = ".lora_A.weight";

/** Layers that have adapters, from the names of these. */
function layersOf(adapters: ReadonlyMap<string, Float32Array>): string[] {
  return [...adapters.keys()].filter((name) => name.endsWith(A))
    .map((name) => name.slice("transformer.".length, -A.length));
}

/**
 * Weights with adapters melted in: W + (alpha / rank) B A.
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

/** Text beside the adapters by which diffusers knows their scale and layers. */
export function adapterMetadata(
  adapters: ReadonlyMap<string, Float32Array>,
  { rank, alpha = rank }: AdapterSizes,
): Record<string, string> {
  const settings = { r: rank, lora_alpha: alpha, target_modules: layersOf(adapters) };
  const named = Object.entries(settings).map(([key, value]) => [`transformer.${key}`, value]);
  return { format: "pt", [LORA_METADATA]: JSON.stringify(Object.fromEntries(named)) };
}
