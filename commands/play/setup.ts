import type { Pipeline } from "../../mod.ts";
import type { Size, Values } from "../../cli/option.ts";
import type { Terminal } from "../../cli/terminal.ts";
import type { ActionKeys } from "../../player/action_keys.ts";
import type { StartClips } from "./clips.ts";
import type { PLAY_OPTIONS } from "./spec.ts";

/** Parts of a game, however it is shown. */
export interface PlaySetup {
  readonly pipeline: Pipeline;
  /** Options with the model's defaults. */
  readonly options: Values<typeof PLAY_OPTIONS>;
  readonly size: Size;
  readonly clips: StartClips;
  readonly keys: readonly ActionKeys[];
  readonly fps: number;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}
