import { shellQuote } from "../files/shell.ts";
import type { Pipeline } from "../run/pipeline.ts";
import type { Game } from "./game.ts";
import type { WorldFile } from "./world_file.ts";

/**
 * The command of far that makes the frames up to the one on the screen again; undefined where none
 * does. Clips are named as they are in the model's folder.
 */
export function commandOf(
  game: Game,
  { info }: Pipeline,
  { settings, clips }: WorldFile,
): string | undefined {
  const kept = game.timeline.get(game.shown?.id);
  const remembered = game.contextFrames + game.generated <= settings.memoryFrames;
  if (!kept?.plain || !game.history.complete || game.generated === 0 || !remembered) {
    return undefined;
  }
  const clip = clips.find(({ name }) => name === game.clip);
  const options: Record<string, string | number | undefined> = {
    model: info.name,
    context: clip && `${info.name}/clips/${clip.name}.npz`,
    "context-frames": game.contextFrames,
    frames: game.generated,
    actions: game.history.text() || undefined,
    label: game.label,
    size: `${settings.width}x${settings.height}`,
    steps: kept.settings.steps,
    guidance: kept.settings.guidance,
    solver: kept.settings.solver,
    seed: settings.seed,
    fps: info.fps,
    output: "walk.mp4",
  };
  const words = Object.entries(options).filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [`--${name}`, shellQuote(String(value))]);
  return ["far", "generate", ...words].join(" ");
}
