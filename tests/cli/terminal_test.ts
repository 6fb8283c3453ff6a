import assert from "node:assert/strict";
import { PROCESS_TERMINAL, screenColumns, visible } from "../../cli/terminal.ts";
import { withVariables } from "../support/environment.ts";

Deno.test("PROCESS_TERMINAL is live if stderr is a terminal that can move its cursor", async () => {
  const { isTerminal } = Deno.stderr;
  try {
    for (const screen of [true, false]) {
      Deno.stderr.isTerminal = () => screen;
      for (const kind of ["xterm", "dumb"]) {
        const live = await withVariables({ TERM: kind }, () => PROCESS_TERMINAL.live);
        assert.equal(live, screen && kind === "xterm", `${screen} ${kind}`);
      }
    }
  } finally {
    Deno.stderr.isTerminal = isTerminal;
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

Deno.test("visible() escapes terminal commands and keeps the value of JSON", () => {
  const cases: [string, string][] = [
    ["a\tb\nc ä 日本 👩‍🚀", "a\tb\nc ä 日本 👩‍🚀"],
    ["\x1b[2J", "\\u001b[2J"],
    ["\x1b]0;title\x07", "\\u001b]0;title\\u0007"],
    ["\x9b31m", "\\u009b31m"],
    ["\r\b\0\x7f", "\\u000d\\u0008\\u0000\\u007f"],
    ["gpj\u202e.exe", "gpj\\u202e.exe"],
    ["\u2066a\u2069\u200f\u061c\u2028", "\\u2066a\\u2069\\u200f\\u061c\\u2028"],
  ];
  for (const [text, shown] of cases) assert.equal(visible(text), shown);
  const value = { name: "\x9b31m\u202e\x7f\x1b" };
  assert.deepEqual(JSON.parse(visible(JSON.stringify(value, null, 2))), value);
});

Deno.test("PROCESS_TERMINAL makes strangers' text visible on both streams", async () => {
  const code = `import { PROCESS_TERMINAL as t } from "./cli/terminal.ts";
    await t.print("\\x1b[2J\\n"); t.note("\\x9b2J"); t.draw("\\x1b[K");`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", code],
    cwd: new URL("../..", import.meta.url).pathname,
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "\\u001b[2J\n");
  assert.equal(new TextDecoder().decode(stderr), "\\u009b2J\n\x1b[K\n");
});
