import { GpuError } from "../gpu/errors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { Memory } from "../gpu/memory.ts";

const ADVICE = "fewer frames, --count 1, guidance 1, a smaller --size or --dtype f16 lower it";

/**
 * Compares what is declared with what the device has, before anything is allocated.
 * @throws {GpuError} `limit` where one buffer is too large, `out-of-memory` where the sum is
 */
export function checkMemory(gpu: Gpu, memories: readonly Memory[], what: string): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.limits;
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  for (const memory of memories) {
    const { largest } = memory;
    if (!largest || largest.bytes <= limit) continue;
    throw new GpuError(
      "limit",
      `Cannot fit ${what}: "${largest.label}" needs ${megabytes(largest.bytes)} in one piece, ` +
        `${gpu.adapter.name} allows ${megabytes(limit)}: ${ADVICE}`,
    );
  }
  const need = memories.reduce((sum, memory) => sum + memory.pendingBytes, 0);
  const free = gpu.adapter.cpu ? freeSystemMemory() : undefined;
  if (free === undefined || need <= free) return;
  throw new GpuError(
    "limit",
    `Cannot fit ${what}: it needs ${megabytes(need)} of memory, ${megabytes(free)} are free: ` +
      ADVICE,
  );
}

/** A software adapter lives in system memory; of real ones WebGPU does not tell what is free. */
function freeSystemMemory(): number | undefined {
  try {
    return Deno.systemMemoryInfo().available;
  } catch {
    return undefined; // without the permission the allocation itself will tell
  }
}

/** Bytes as "12.3 MB". */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
