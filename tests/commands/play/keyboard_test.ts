import assert from "node:assert/strict";
import { KeyDecoder } from "../../../commands/play/keyboard.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const press = (...keys: string[]) => keys.map((key) => ({ key, type: "press" }));

Deno.test("KeyDecoder reads letters, arrows in both modes, and control keys", () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(
    decoder.decode(bytes("wQ \x1b[A\x1bOB\x1b[C\x1b[1;2D\x03")),
    press("w", "q", " ", "arrowup", "arrowdown", "arrowright", "arrowleft", "ctrl+c"),
  );
  assert.deepEqual(decoder.decode(bytes("\x1b")), press("escape"));
  assert.equal(decoder.reportsRelease, false);
});

Deno.test("KeyDecoder reads a sequence that comes in two pieces", () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(decoder.decode(bytes("a\x1b[")), press("a"));
  assert.deepEqual(decoder.decode(bytes("Ab")), press("arrowup", "b"));
});

Deno.test("KeyDecoder reads presses and releases of terminals that report both", () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(decoder.decode(bytes("\x1b[?11u")), []);
  assert.equal(decoder.reportsRelease, true);
  assert.deepEqual(
    decoder.decode(bytes("\x1b[119u\x1b[119;1:3u\x1b[1;1:3A\x1b[99;5u\x1b[119;5:3u")),
    [
      { key: "w", type: "press" },
      { key: "w", type: "release" },
      { key: "arrowup", type: "release" },
      { key: "ctrl+c", type: "press" },
      { key: "w", type: "release" }, // Control came down while it was
    ],
  );
});

Deno.test("KeyDecoder skips unknown keys", () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(decoder.decode(bytes("\x1b[5~\x1b[I\x1b[<0;1;1M\xc3\xa9\x1b[57441;1:1u")), []);
  assert.equal(decoder.reportsRelease, false);
});

Deno.test("KeyDecoder hears whether the terminal draws sixels", () => {
  const decoder = new KeyDecoder();
  decoder.decode(bytes("\x1b[?62;22c"));
  assert.equal(decoder.sixel, false);
  assert.deepEqual(decoder.decode(bytes("\x1b[?62;4;22cw")), press("w"));
  assert.equal(decoder.sixel, true);
});
