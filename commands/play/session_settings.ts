import type { Pipeline } from "../../mod.ts";
import { VERSION } from "../../cli/version.ts";
import { defined, type Settings, type SettingValue } from "../../cli/settings.ts";
import type { Game } from "../../player/game.ts";
import type { PlaySetup } from "./setup.ts";
import { MEMORY_FRAMES } from "./spec.ts";

/** What decides the frames of a game. */
export interface PlayedSetup extends Pick<PlaySetup, "options" | "clips" | "size" | "fps"> {
  readonly pipeline: Pick<Pipeline, "dtype"> & {
    readonly info: Pick<Pipeline["info"], "windowCache">;
  };
}

/**
 * The command that makes a session's frames again; undefined where none does: something was changed
 * on the way, or the world has begun to forget.
 */
export function sessionSettings(game: Game, setup: PlayedSetup): Settings | undefined {
  const { options, clips, size, fps, pipeline } = setup;
  const { memoryFrames = MEMORY_FRAMES } = options;
  const { windowCache = pipeline.info.windowCache } = options;
  const remembered = game.contextFrames + game.generated <= memoryFrames;
  const whole = game.untouched && game.history.complete && game.generated > 0;
  if (!whole || !remembered) return undefined;
  const context = clips.path(game.clip);
  const sized = context === undefined || options.size !== undefined;
  const record: Record<string, SettingValue | undefined> = {
    model: options.model ?? "demo",
    lora: options.lora,
    context,
    "context-frames": game.contextFrames,
    "context-start": context && options.contextStart,
    "context-stride": context && options.contextStride,
    frames: game.generated,
    actions: game.history.text() || undefined,
    label: options.label,
    size: sized ? `${size.width}x${size.height}` : undefined,
    steps: game.settings.steps,
    guidance: game.settings.guidance,
    solver: game.settings.solver,
    seed: String(options.seed ?? 0n),
    flexrope: options.flexrope,
    positions: options.positions,
    timesteps: options.timesteps,
    "window-cache": windowCache === "encode" ? undefined : windowCache,
    dtype: pipeline.dtype,
    fps,
  };
  return { command: "generate", version: VERSION, options: defined(record) };
}
