import type { ActionHistory } from "./action_history.ts";
import type { Game } from "./game.ts";
import type { KeptFrame } from "./timeline.ts";

/** How the frames from a beginning to one of them came about. */
export interface Recipe {
  readonly last: KeptFrame;
  readonly actions: ActionHistory;
}

/**
 * How the frames up to one came about; undefined if no single command makes them: a setting was
 * changed on the way, or the world has forgotten frames.
 * @param memoryFrames number of frames the world remembers
 */
export function recipeOf(
  game: Game,
  frame: number | undefined,
  memoryFrames: number,
): Recipe | undefined {
  const last = game.timeline.get(frame);
  if (!last?.plain || last.generated === 0) return undefined;
  if (last.contextFrames + last.generated > memoryFrames) return undefined;
  const actions = game.historyTo(last.shown.id);
  return actions.complete ? { last, actions } : undefined;
}
