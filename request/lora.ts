import { UsageError } from "../cli/errors.ts";

/** Adapters that an option names, and how much of them. */
export interface LoraChoice {
  readonly path: string;
  readonly scale?: number;
}

/**
 * Reads `FILE[:SCALE]`; what stands behind the last colon is a scale if it is a number.
 * @throws {UsageError} a scale that is not finite, or no file
 */
export function parseLora(text: string): LoraChoice {
  const [, path, scale] = /^(.*):([-+.\d][^:/\\]*)$/.exec(text) ?? [];
  if (scale === undefined) return { path: text };
  if (path !== "" && Number.isFinite(Number(scale))) return { path: path!, scale: Number(scale) };
  throw new UsageError(
    `Cannot use the LoRA "${text}": it must be FILE or FILE:SCALE, as a.safetensors:0.5`,
  );
}

/** `FILE:SCALE`, or the file alone. */
export function withScale(path: string, scale: number | undefined): string {
  return scale === undefined ? path : `${path}:${scale}`;
}
