import { type JsonObject, presetConfig } from "../../app.ts";
import { presetNamed } from "../../request/preset_name.ts";

/** Recipe of a released model. */
export interface ReleasedRecipe {
  readonly config: JsonObject;
  readonly steps: number;
  readonly batch: number;
  readonly frames: number;
  readonly interval: number;
  readonly warmup: number;
  readonly flip: boolean;
  readonly positions: "bf16";
  readonly timesteps: "bf16";
}

/** 4 videos on each of 8 GPUs. */
const BATCH = 32;

/**
 * The recipe of a released run: length and size from its name and training configuration.
 * @param given its name, or a short form of it
 * @throws {UsageError} there is no such run
 * Source: showlab/FAR at e59536a, options/train/far
 */
export function releasedRecipe(given: string): ReleasedRecipe {
  const preset = presetNamed(given);
  const { name } = preset;
  const long = preset.task === "long_video_prediction";
  const window = Number(preset.config?.short_term_ctx_winsize ?? 16);
  const isSmall = name.includes("ucf101_res64");
  return {
    config: presetConfig(preset),
    steps: 1000 * Number(/_(\d+)K_/.exec(name)?.[1]),
    batch: BATCH,
    frames: long ? 300 : window,
    interval: isSmall ? 1 : preset.frameInterval,
    warmup: long ? 10_000 : 0,
    flip: preset.dataset === "UCF",
    positions: "bf16",
    timesteps: "bf16",
  };
}
