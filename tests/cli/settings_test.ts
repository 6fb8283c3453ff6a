import assert from "node:assert/strict";
import { commandLine, settingsMetadata, settingsOf, shellQuote } from "../../cli/settings.ts";

const SETTINGS = {
  command: "generate",
  version: "0.1.0",
  options: {
    model: "demo",
    frames: 48,
    guidance: -1,
    actions: "forward*8,left*3",
    "no-cache": true,
    json: false,
    context: "it's a clip.npz",
    output: ["a.mp4", "b c.gif"],
  },
};

Deno.test("commandLine() quotes for a shell and leaves out flags that are off", () => {
  assert.equal(
    commandLine(SETTINGS),
    "far generate --model demo --frames 48 --guidance -1 --actions 'forward*8,left*3' --no-cache " +
      "--context 'it'\\''s a clip.npz' --output a.mp4 --output 'b c.gif'",
  );
});

Deno.test("shellQuote() round-trips through sh", async () => {
  const words = ["plain", "two words", "it's", '"$HOME"', "a\nb", "", "*", "-n", "ü;&|"];
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `for w in ${words.map(shellQuote).join(" ")}; do printf '%s\\0' "$w"; done`],
  }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).split("\0").slice(0, -1), words);
});

Deno.test("settingsOf() reads back what settingsMetadata() wrote", () => {
  const metadata = settingsMetadata(SETTINGS);
  assert.deepEqual(settingsOf(metadata), SETTINGS);
  assert.deepEqual(settingsOf(new Map(Object.entries(metadata))), SETTINGS);
});

Deno.test("settingsOf() ignores metadata of other programs", () => {
  assert.equal(settingsOf({}), undefined);
  assert.equal(settingsOf({ "far.settings": "{" }), undefined);
  assert.equal(settingsOf({ "far.settings": "null" }), undefined);
  assert.equal(settingsOf({ "far.settings": '{"command":1}' }), undefined);
});
