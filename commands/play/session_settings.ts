import type { Pipeline } from "../../mod.ts";
import { VERSION } from "../../cli/version.ts";
import { relative } from "node:path";
import { commandLine, jsonOf, type Settings } from "../../cli/settings.ts";
import type { Game } from "../../player/game.ts";
import { recipeOf } from "../../player/recipe.ts";
import type { PlaySetup } from "./setup.ts";
import { MEMORY_FRAMES } from "./spec.ts";

/** Settings that determine a game's frames. */
export interface PlayedSetup extends Pick<PlaySetup, "options" | "clips" | "size" | "fps"> {
  readonly pipeline: Pick<Pipeline, "dtype"> & {
    readonly info: Pick<Pipeline["info"], "windowCache">;
  };
}

/**
 * The command that makes a session's frames again; undefined if there is none: a setting was
 * changed, the player went back, or the world has forgotten frames.
 */
export function sessionSettings(game: Game, setup: PlayedSetup): Settings | undefined {
  return game.untouched ? pathSettings(game, game.shown?.id, setup) : undefined;
}

/** The command that makes the frames up to a given one again, if there is one. */
export function pathCommand(game: Game, frame: number, setup: PlayedSetup): string | undefined {
  const made = pathSettings(game, frame, setup);
  if (!made) return undefined;
  const { context, ...options } = made.options;
  const path = typeof context === "string" ? fromHere(context) : undefined;
  const typed = jsonOf({ ...options, context: path, output: "walk.mp4" });
  return commandLine({ ...made, options: typed });
}

/** A path as typed: relative if it is inside the current folder. */
function fromHere(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function pathSettings(
  game: Game,
  frame: number | undefined,
  setup: PlayedSetup,
): Settings | undefined {
  const { options, clips, size, fps, pipeline } = setup;
  const { memoryFrames = MEMORY_FRAMES } = options;
  const { windowCache = pipeline.info.windowCache } = options;
  const recipe = recipeOf(game, frame, memoryFrames);
  if (!recipe) return undefined;
  const { last, actions } = recipe;
  const context = clips.path(last.clip);
  const sized = context === undefined || options.size !== undefined;
  const record = {
    model: options.model ?? "demo",
    lora: options.lora,
    context,
    contextFrames: last.contextFrames,
    contextStart: context && options.contextStart,
    contextStride: context && options.contextStride,
    frames: last.generated,
    actions: actions.text() || undefined,
    label: last.label ?? options.label,
    size: sized ? size : undefined,
    steps: last.settings.steps,
    guidance: last.settings.guidance,
    solver: last.settings.solver,
    seed: options.seed ?? 0n,
    flexrope: options.flexrope,
    positions: options.positions,
    timesteps: options.timesteps,
    windowCache: windowCache === "encode" ? undefined : windowCache,
    dtype: pipeline.dtype,
    fps,
  };
  return { command: "generate", version: VERSION, options: jsonOf(record) };
}
