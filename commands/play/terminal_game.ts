import type { TerminalGraphics } from "../../app.ts";
import { environment } from "../../cli/environment.ts";
import type { Game } from "../../player/game.ts";
import { detectGraphics } from "./graphics.ts";
import { openScreen, type Screen } from "./screen.ts";
import type { PlaySetup } from "./setup.ts";
import { TerminalPlayer } from "./terminal_player.ts";

/** Plays in the terminal until a key or the signal ends it. */
export async function playInTerminal(game: Game, setup: PlaySetup): Promise<void> {
  const { pipeline, options, clips, keys, signal } = setup;
  const screen = openScreen();
  const quit = new AbortController();
  try {
    const player = new TerminalPlayer(game, screen, {
      title: pipeline.info.name,
      actions: keys,
      clips: clips.names,
      guided: pipeline.info.condition.kind !== "none",
      record: options.record,
      graphics: () => chooseGraphics(options.graphics ?? "auto", screen),
    });
    game.watch(player);
    const reading = player.read().finally(() => quit.abort());
    reading.catch(() => {}); // awaited below, when it is over
    await game.play(AbortSignal.any([signal, quit.signal]));
    if (quit.signal.aborted) await reading;
  } finally {
    screen.close();
  }
}

/** Chooses the graphics protocol; a terminal reports sixel support some time after it is asked. */
function chooseGraphics(
  wish: "auto" | "blocks" | TerminalGraphics,
  { sixel }: Screen,
): TerminalGraphics | undefined {
  if (wish === "blocks") return undefined;
  if (wish !== "auto") return wish;
  return detectGraphics(environment) ?? (sixel ? "sixel" : undefined);
}
