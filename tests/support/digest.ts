import { openGolden } from "./far.ts";

/** A tensor of a golden: all its entries or evenly spread ones, and the largest of all. */
export interface Digest {
  readonly values: Float32Array;
  readonly scale: number;
}

/** The entries of a tensor that a digest of it has. */
export function pickEntries(actual: Float32Array, { values }: Digest): Float32Array {
  const stride = Math.ceil(actual.length / values.length);
  return actual.filter((_, i) => i % stride === 0);
}

/** Largest difference of a tensor's entries from a digest's, over its largest entry. */
export function digestError(actual: Float32Array, digest: Digest): number {
  const { values, scale } = digest;
  const picked = pickEntries(actual, digest);
  if (picked.length !== values.length) return Infinity;
  const difference = largest(values.map((value, i) => value - picked[i]!));
  return scale === 0 ? difference : difference / scale;
}

/** Tensors of a golden whose names begin with a prefix, by name without it. */
export async function readDigests(path: string, prefix = ""): Promise<Map<string, Digest>> {
  const golden = await openGolden(path);
  const digests = new Map<string, Digest>();
  for (const name of golden.names.filter((name) => name.startsWith(prefix))) {
    if (name.startsWith("scale.")) continue;
    const values = await golden.floats(name);
    const [scale] = golden.has(`scale.${name}`)
      ? await golden.floats(`scale.${name}`)
      : [largest(values)];
    digests.set(name.slice(prefix.length), { values, scale: scale! });
  }
  golden.close();
  return digests;
}

/** NaN if any value is. */
function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
