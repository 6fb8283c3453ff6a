import { silu } from "./linear.ts";

/** act(x + table[index]), an index beyond the table adding nothing. */
export function classEmbeddingReference(
  x: Float32Array,
  width: number,
  table: Float32Array | undefined,
  index: readonly number[],
  activation?: "silu",
): Float32Array {
  return x.map((value, i) => {
    const entry = index[Math.floor(i / width)]!;
    const known = table !== undefined && entry < table.length / width;
    const sum = value + (known ? table[entry * width + i % width]! : 0);
    return activation === "silu" ? silu(sum) : sum;
  });
}
