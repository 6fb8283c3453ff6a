import type { JsonObject } from "../../files/json.ts";
import { architectureConfig, stagesConfig, type StageSizes } from "../../released/presets.ts";

/** How large a world's two models are. */
export type WorldScale = "small" | "base";

/** The small ones are the demo's; the base ones have half the released width. */
const STAGES: Readonly<Record<WorldScale, readonly StageSizes[]>> = {
  small: [[32, 0, 0], [32, 1, 2], [64, 2, 3], [128, 1, 1], [128, 1, 1], [128, 1, 1]],
  base: [[64, 0, 0], [128, 2, 3], [256, 3, 4], [256, 2, 2], [512, 2, 2], [512, 2, 2]],
};
const COMPRESSIONS = [32, 16, 8] as const;
/** Fewest latents along the shorter side. */
const LEAST_LATENTS: Readonly<Record<WorldScale, number>> = { small: 4, base: 8 };

/**
 * Pixels per latent for pictures of this size: as many as leave enough latents.
 * @throws {RangeError} no compression divides the size
 */
export function chooseCompression(
  { width, height }: { readonly width: number; readonly height: number },
  scale: WorldScale,
): number {
  const dividing = COMPRESSIONS.filter((by) => width % by === 0 && height % by === 0);
  const side = Math.min(width, height);
  const found = dividing.find((by) => side / by >= LEAST_LATENTS[scale]) ?? dividing.at(-1);
  if (found !== undefined) return found;
  throw new RangeError(
    `Cannot train on pictures of ${width}x${height}: no compression divides them; give a \`size\` ` +
      "of multiples of 8",
  );
}

/** config.json of the autoencoder. */
export function autoencoderOf(compression: number, scale: WorldScale): JsonObject {
  return stagesConfig(STAGES[scale], compression, 1);
}

/** What of the clips decides the transformer. */
export interface WorldShape {
  /** Frames of the shortest clip, those that are taken. */
  readonly frames: number;
  /** Latents along both sides. */
  readonly latents: readonly [number, number];
  /** Actions; 0 for a world that is only watched. */
  readonly actions: number;
}

/** A transformer, and the frames of a window that it is trained on. */
export interface WorldTransformer {
  readonly config: JsonObject;
  readonly frames: number;
}

const SMALL = { num_layers: 8, num_attention_heads: 3 } as const;
/** Frames at full resolution, and context patches, of a world that remembers more. */
const LONG = {
  small: { window: 8, patch: 2, frames: 48 },
  base: { window: 16, patch: 4, frames: 96 },
};
const MOST_FRAMES = 16;

/** config.json of the transformer: with a long memory where clips and latents allow it. */
export function transformerOf(
  { frames, latents, actions }: WorldShape,
  scale: WorldScale,
): WorldTransformer {
  const { window, patch, frames: most } = LONG[scale];
  const long = frames >= 2 * window && latents.every((side) => side % patch === 0);
  const own = Math.min(frames, MOST_FRAMES);
  return {
    config: {
      ...architectureConfig("FAR_B"),
      ...scale === "small" ? SMALL : {},
      _class_name: long ? "FAR_Long" : "FAR",
      short_term_ctx_winsize: long ? window : own,
      ...(long && { context_patch_size: patch }),
      ...(actions > 0 && { condition_cfg: { type: "action", num_action_classes: actions } }),
    },
    frames: long ? Math.min(frames, most) : own,
  };
}
