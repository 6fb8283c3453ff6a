import assert from "node:assert/strict";
import { PROCESS_TERMINAL, screenColumns } from "../../cli/terminal.ts";

Deno.test("PROCESS_TERMINAL is live where stderr is a screen on which a bar can move", () => {
  const { isTerminal } = Deno.stderr;
  const term = Deno.env.get("TERM");
  try {
    for (const screen of [true, false]) {
      Deno.stderr.isTerminal = () => screen;
      for (const kind of ["xterm", "dumb"]) {
        Deno.env.set("TERM", kind);
        assert.equal(PROCESS_TERMINAL.live, screen && kind === "xterm", `${screen} ${kind}`);
      }
    }
  } finally {
    Deno.stderr.isTerminal = isTerminal;
    if (term === undefined) Deno.env.delete("TERM");
    else Deno.env.set("TERM", term);
  }
});

Deno.test("screenColumns() is 80 where no size is known", () => {
  assert.equal(screenColumns(() => ({ columns: 132 })), 132);
  assert.equal(screenColumns(() => ({ columns: 0 })), 80);
  const noScreen = () => {
    throw new Error("not a terminal");
  };
  assert.equal(screenColumns(noScreen), 80);
});
