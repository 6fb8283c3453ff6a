import assert from "node:assert/strict";
import { detectGraphics } from "../../../commands/play/graphics.ts";

const detect = (variables: Record<string, string>) => detectGraphics((name) => variables[name]);

Deno.test("detectGraphics() recognises terminals by their environment", () => {
  assert.equal(detect({ TERM: "xterm-kitty" }), "kitty");
  assert.equal(detect({ TERM: "xterm-256color", KITTY_WINDOW_ID: "1" }), "kitty");
  assert.equal(detect({ TERM_PROGRAM: "ghostty" }), "kitty");
  assert.equal(detect({ TERM_PROGRAM: "iTerm.app" }), "iterm2");
  assert.equal(detect({ TERM_PROGRAM: "WezTerm" }), "iterm2");
  assert.equal(detect({ LC_TERMINAL: "iTerm2" }), "iterm2");
  assert.equal(detect({ TERM: "xterm-256color" }), undefined);
});

Deno.test("detectGraphics() finds none inside tmux and screen", () => {
  assert.equal(detect({ TERM: "tmux-256color", KITTY_WINDOW_ID: "1" }), undefined);
  assert.equal(detect({ TERM_PROGRAM: "iTerm.app", TMUX: "/tmp/tmux" }), undefined);
  assert.equal(detect({ TERM: "screen.xterm-kitty" }), undefined);
});
