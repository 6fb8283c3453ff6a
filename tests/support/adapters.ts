import { writeSafetensors } from "../../weights/safetensors.ts";

/** Names and shapes of a file of adapters. */
export type AdapterTensors = readonly (readonly [name: string, shape: readonly number[]])[];

/** A pair of a layer [outputs, inputs], named as diffusers does. */
export function pairOf(
  layer: string,
  [outputs, inputs]: readonly [number, number],
  rank: number,
): AdapterTensors {
  const name = (half: string) => `transformer.${layer}.lora_${half}.weight`;
  return [[name("A"), [rank, inputs]], [name("B"), [outputs, rank]]];
}

/** Writes adapters; the n-th value of each tensor is a tenth of the sine of n. */
export async function writeAdapters(
  path: string,
  tensors: AdapterTensors,
  metadata: Record<string, string> = {},
): Promise<string> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const sink = {
    async write(bytes: Uint8Array) {
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    },
  };
  const entries = tensors.map(([name, shape]) => {
    const length = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length }, (_, n) => 0.1 * Math.sin(n + 1));
    return { name, dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) };
  });
  await writeSafetensors(sink, entries, metadata);
  return path;
}
