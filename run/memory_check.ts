import { GpuError } from "../gpu/errors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { host } from "../gpu/host.ts";
import { type Memory, mostBytes } from "../gpu/memory.ts";

/** What uses memory, and which options reduce it. */
export interface MemoryUse {
  readonly what: string;
  readonly lowers: string;
}

export const WEIGHTS: MemoryUse = { what: "the weights alone", lowers: "`dtype` f16" };
export const RUN: MemoryUse = {
  what: "this run",
  lowers: "fewer frames, `count` 1, `guidance` 1, smaller `width` and `height` or `dtype` f16",
};
export const WORLD: MemoryUse = {
  what: "this world",
  lowers: "fewer `memoryFrames`, `guidance` 1, smaller `width` and `height` or `dtype` f16",
};
export const PICTURES: MemoryUse = {
  what: "these pictures",
  lowers: "smaller `width` and `height`",
};

/**
 * Compares declared memory with the device's, before anything is allocated.
 * @throws {GpuError} `limit`: one buffer is too large, or the sum
 */
export function checkMemory(
  gpu: Gpu,
  memories: readonly Memory[],
  { what, lowers }: MemoryUse,
): void {
  const tooLarge = memories.flatMap(({ buffers }) => buffers)
    .filter(({ bytes, kind }) => bytes > mostBytes(kind, gpu.limits))
    .toSorted((a, b) => b.bytes - a.bytes)[0];
  if (tooLarge) {
    const { label, bytes, kind } = tooLarge;
    throw new GpuError(
      "limit",
      `Cannot fit ${what}: "${label}" needs ${megabytes(bytes)} in one piece, ` +
        `${gpu.adapter.name} allows ${megabytes(mostBytes(kind, gpu.limits))}: use ${lowers}`,
    );
  }
  const need = memories.reduce((sum, memory) => sum + memory.pendingBytes, 0);
  // a software adapter uses system memory; WebGPU does not report the free memory of real ones
  const free = gpu.adapter.cpu ? host().freeMemory?.() : undefined;
  if (free === undefined || need <= free) return;
  throw new GpuError(
    "limit",
    `Cannot fit ${what}: ${megabytes(need)} are needed, ${megabytes(free)} are free: ` +
      `use ${lowers}`,
  );
}

/**
 * Allocates what is declared. Only now a GPU shows whether it has enough memory; if not, the error
 * says how much was needed and what reduces it.
 * @throws {GpuError}
 */
export async function allocateChecked(
  gpu: Gpu,
  memory: Memory,
  use: MemoryUse,
): Promise<void> {
  const before = gpu.allocatedBytes;
  memory.allocate(gpu);
  try {
    await gpu.idle();
  } catch (error) {
    throw explainMemory(error, use, memory.bytes, before);
  }
}

/** An error of the device; if memory ran out, with the amounts and the options that help. */
export function explainMemory(
  error: unknown,
  { what, lowers }: MemoryUse,
  need: number,
  taken: number,
): unknown {
  if (!(error instanceof GpuError) || error.reason !== "out-of-memory") return error;
  const beside = taken > 0 ? ` besides ${megabytes(taken)} in use` : "";
  const needed = `${megabytes(need)} are needed for ${what}${beside}`;
  const message = `${error.message}: ${needed}: use ${lowers}`;
  return new GpuError("out-of-memory", message, { cause: error });
}

/** Bytes as "12.3 MB". */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
