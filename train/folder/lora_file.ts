import { CheckpointError, quote } from "../../files/errors.ts";
import type { Shapes } from "../../released/architecture.ts";

const A = ".lora_A.weight";
const B = ".lora_B.weight";
const PREFIXES = ["base_model.model.", "transformer."];

/**
 * Weights with adapters melted in: W + (alpha / rank) B A.
 * @param weights by released name
 * @param adapters as peft and diffusers name them: `transformer.<layer>.lora_A.weight`
 * @throws {CheckpointError} an adapter of a layer that the model does not have, or of another size
 * Source: Hu et al. 2021, LoRA, equation 3
 */
export function mergeAdapters(
  weights: ReadonlyMap<string, Float32Array>,
  adapters: ReadonlyMap<string, Float32Array>,
  shapes: Shapes,
  { rank, alpha = rank }: { readonly rank: number; readonly alpha?: number },
): Map<string, Float32Array> {
  const merged = new Map([...weights].filter(([name]) => shapes.has(name)));
  for (const [name, a] of adapters) {
    if (!name.endsWith(A)) continue;
    const layer = layerOf(name);
    const b = adapters.get(name.slice(0, -A.length) + B);
    const weight = merged.get(`${layer}.weight`);
    const [rows, columns] = shapes.get(`${layer}.weight`) ?? [0, 0];
    if (!weight || !b || a.length !== rank * columns! || b.length !== rank * rows!) {
      throw new CheckpointError(
        `Cannot use the adapter ${quote(name)}: the model has no such layer`,
        {
          reason: "NamesAndShapes",
          unexpected: [name],
        },
      );
    }
    merged.set(`${layer}.weight`, addProduct(weight, b, a, { rank, scale: alpha / rank }));
  }
  return merged;
}

function layerOf(name: string): string {
  const layer = name.slice(0, -A.length);
  const prefix = PREFIXES.find((prefix) => layer.startsWith(prefix)) ?? "";
  return layer.slice(prefix.length);
}

/** weight [rows, columns] + scale b [rows, rank] a [rank, columns]. */
function addProduct(
  weight: Float32Array,
  b: Float32Array,
  a: Float32Array,
  { rank, scale }: { readonly rank: number; readonly scale: number },
): Float32Array {
  const columns = a.length / rank;
  const out = Float32Array.from(weight);
  for (let row = 0; row < b.length / rank; row++) {
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[row * rank + r]!;
      for (let c = 0; c < columns; c++) out[row * columns + c]! += factor * a[r * columns + c]!;
    }
  }
  return out;
}
