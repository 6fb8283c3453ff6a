import { shellQuote } from "../files/shell.ts";
import type { Pipeline } from "../run/pipeline.ts";
import type { Game } from "./game.ts";
import { recipeOf } from "./recipe.ts";
import type { WorldFile } from "./world_file.ts";

/**
 * The command of far that makes the frames up to a given one again; undefined where none does. It is for
 * the page's folder, where the clips are.
 */
export function commandOf(
  game: Game,
  frame: number,
  { info }: Pipeline,
  { model = info.name, settings, clips }: WorldFile,
): string | undefined {
  const recipe = recipeOf(game, frame, settings.memoryFrames);
  if (!recipe) return undefined;
  const { last, actions } = recipe;
  const clip = clips.find(({ name }) => name === last.clip);
  const options: Record<string, string | number | undefined> = {
    model,
    context: clip?.path,
    "context-frames": last.contextFrames,
    frames: last.generated,
    actions: actions.text() || undefined,
    label: last.label,
    size: `${settings.width}x${settings.height}`,
    steps: last.settings.steps,
    guidance: last.settings.guidance,
    solver: last.settings.solver,
    seed: settings.seed,
    fps: info.fps,
    output: "walk.mp4",
  };
  const words = Object.entries(options).filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [`--${name}`, shellQuote(String(value))]);
  return ["far", "generate", ...words].join(" ");
}
