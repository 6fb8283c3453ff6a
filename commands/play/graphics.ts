import type { TerminalGraphics } from "../../app.ts";

/** Reads a variable of the environment. */
type Variables = (name: string) => string | undefined;

/**
 * The pictures that a terminal draws, as far as its environment tells; sixels it tells itself. Inside
 * tmux and screen there are none: they show characters alone.
 */
export function detectGraphics(variable: Variables): TerminalGraphics | undefined {
  const term = variable("TERM") ?? "";
  if (variable("TMUX") || variable("STY") || /^(tmux|screen)/.test(term)) return undefined;
  const program = variable("TERM_PROGRAM") ?? "";
  if (variable("KITTY_WINDOW_ID") || /kitty|ghostty/.test(`${term} ${program}`)) return "kitty";
  const iterm = ["iTerm.app", "WezTerm"].includes(program) || variable("LC_TERMINAL") === "iTerm2";
  return iterm ? "iterm2" : undefined;
}
