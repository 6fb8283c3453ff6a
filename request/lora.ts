import { UsageError } from "../cli/errors.ts";

/** Adapters of an option, with their scale. */
export interface LoraChoice {
  readonly path: string;
  readonly scale?: number;
}

/**
 * Parses `FILE[:SCALE]`; the text after the last colon is a scale if it is a number.
 * @throws {UsageError} the scale is not finite, or there is no file
 */
export function parseLora(text: string): LoraChoice {
  const [, path, scale] = /^(.*):([-+.\d][^:/\\]*)$/.exec(text) ?? [];
  if (scale === undefined) return { path: text };
  if (path !== "" && Number.isFinite(Number(scale))) return { path: path!, scale: Number(scale) };
  throw new UsageError(
    `Cannot use the LoRA "${text}": it must be FILE or FILE:SCALE, as a.safetensors:0.5`,
  );
}

/** `FILE:SCALE`, or only the file. */
export function withScale(path: string, scale: number | undefined): string {
  return scale === undefined ? path : `${path}:${scale}`;
}
