import type { ModelInfo } from "../mod.ts";
import { UsageError } from "../cli/errors.ts";
import type { Size } from "../cli/option.ts";
import { trainedSize } from "./picture_size.ts";

/** Videos of up to so many times the trained length are fine. */
const LONG = 2;
/** Temporal decay that kept the colours of the demo model at 16 times its trained length. */
const SLOPE = 0.06;

/** A setting that may give another result than the user expects. */
export interface RunWarning {
  /** Equal for warnings that differ only in numbers or names of files: one is enough. */
  readonly kind: string;
  readonly text: string;
}

/** Settings of a run that a model may not have been made for. */
export interface Wanted {
  /** Pixels; undefined if only a context can tell. */
  readonly size: Size | undefined;
  /** Context and generated. */
  readonly frames: number;
  readonly guidance: number | undefined;
  /** Slope of FlexRoPE; 0 is none. */
  readonly slope: number;
}

/** @throws {UsageError} a guidance that would be taken for another */
export function checkGuidance(guidance: number | undefined): void {
  if (guidance === undefined || guidance === -1 || guidance >= 1) return;
  throw new UsageError(
    `Cannot use --guidance ${guidance}: give 1 (off), more than 1 (towards the condition) or -1 ` +
      "(without the condition)",
  );
}

/** Settings that work but that the model was not trained for, with the option that helps. */
export function modelWarnings(
  { size, frames, guidance = 1, slope }: Wanted,
  info: Pick<ModelInfo, "name" | "condition" | "compression" | "long" | "window" | "defaults">,
): RunWarning[] {
  const warnings: RunWarning[] = [];
  const { name } = info;
  const trained = sizeText(trainedSize(info));
  const wanted = size ? sizeText(size) : trained;
  if (wanted !== trained) {
    const text =
      `${name} was trained at ${trained}: ${wanted} may look wrong; --size ${trained} helps`;
    warnings.push({ kind: `size ${name} ${wanted}`, text });
  }
  const length = trainedLength(info);
  if (length !== undefined && frames > LONG * length && slope === 0) {
    const text = `${frames} frames are many more than the ${length} that ${name} is made for: ` +
      `pictures may fade or freeze; --flexrope ${SLOPE} helps`;
    warnings.push({ kind: `length ${name}`, text });
  }
  if (guidance !== 1 && info.condition.kind === "none") {
    const text = `--guidance ${guidance} changes nothing: ${name} has no actions or labels`;
    warnings.push({ kind: `guidance ${name}`, text });
  }
  return warnings;
}

function sizeText({ width, height }: Size): string {
  return `${width}x${height}`;
}

/** Frames of a whole video: the window of FAR, and the length of FAR_Long's example. */
function trainedLength(
  { long, window, defaults }: Pick<ModelInfo, "long" | "window" | "defaults">,
): number | undefined {
  if (!long) return window;
  const { frames, context_frames: context = 0 } = defaults;
  return typeof frames === "number" && typeof context === "number" ? frames + context : undefined;
}
