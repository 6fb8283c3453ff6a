import type { ModelInfo } from "../mod.ts";
import { UsageError } from "../cli/errors.ts";
import type { Size } from "../cli/option.ts";
import { releasedSize } from "./picture_size.ts";

/** Up to so many times the trained length a video is let go without a word. */
const LONG = 2;
/** Temporal decay that kept the colours of the demo model at 16 times its trained length. */
const SLOPE = 0.06;

/** What of a run a model may not have been made for. */
export interface Wanted extends Size {
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

/** Settings that work, and that the model was not trained for: a line each, with what helps. */
export function modelWarnings(
  { width, height, frames, guidance = 1, slope }: Wanted,
  info: Pick<ModelInfo, "name" | "condition" | "compression" | "long" | "window" | "defaults">,
): string[] {
  const warnings: string[] = [];
  const trained = trainedSize(info);
  if (width !== trained.width || height !== trained.height) {
    const size = `${trained.width}x${trained.height}`;
    warnings.push(
      `${info.name} was trained at ${size}: ${width}x${height} may look wrong; --size ${size} helps`,
    );
  }
  const length = trainedLength(info);
  if (length !== undefined && frames > LONG * length && slope === 0) {
    warnings.push(
      `${frames} frames are many more than the ${length} that ${info.name} is made for: pictures ` +
        `may fade or freeze; --flexrope ${SLOPE} helps`,
    );
  }
  if (guidance !== 1 && info.condition.kind === "none") {
    warnings.push(`--guidance ${guidance} changes nothing: ${info.name} has no actions or labels`);
  }
  return warnings;
}

/** What far.json says, else the size of the released models. */
function trainedSize(info: Pick<ModelInfo, "defaults" | "compression">): Size {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(String(info.defaults.size ?? "")) ?? [];
  return width ? { width: Number(width), height: Number(height) } : releasedSize(info);
}

/** Frames of a whole video: the window, where a model has no other; else those of its example. */
function trainedLength(
  { long, window, defaults }: Pick<ModelInfo, "long" | "window" | "defaults">,
): number | undefined {
  if (!long) return window;
  const { frames, context_frames: context = 0 } = defaults;
  return typeof frames === "number" && typeof context === "number" ? frames + context : undefined;
}
