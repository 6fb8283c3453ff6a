import assert from "node:assert/strict";
import { frameBytes, parseClientMessage } from "../../player/protocol.ts";
import { parseFrame } from "../commands/play/frame_message.ts";

Deno.test("parseClientMessage() reads all that a page may ask for", () => {
  const messages = [
    { type: "press", action: 3 },
    { type: "release", action: 0 },
    { type: "clear" },
    { type: "run", on: true },
    { type: "restart", clip: "2" },
    { type: "back", frame: 7 },
  ];
  for (const message of messages) {
    assert.deepEqual(parseClientMessage(JSON.stringify({ ...message, more: 1 })), message);
  }
  assert.deepEqual(
    parseClientMessage('{"type":"settings","steps":8,"guidance":1.5,"solver":"heun"}'),
    { type: "settings", settings: { steps: 8, guidance: 1.5, solver: "heun" } },
  );
});

Deno.test("parseClientMessage() refuses everything else", () => {
  const messages = [
    "",
    "[]",
    "null",
    '{"type":"press"}',
    '{"type":"press","action":-1}',
    '{"type":"press","action":1.5}',
    '{"type":"run","on":1}',
    '{"type":"restart"}',
    '{"type":"back"}',
    '{"type":"back","frame":-1}',
    '{"type":"settings","steps":0}',
    '{"type":"settings","steps":101}',
    '{"type":"settings","guidance":"2"}',
    '{"type":"settings","guidance":11}',
    '{"type":"settings","solver":"rk4"}',
    '{"type":"__proto__"}',
    `"${"x".repeat(2000)}"`,
  ];
  for (const message of messages) {
    assert.throws(() => parseClientMessage(message), SyntaxError, message.slice(0, 40));
  }
  assert.throws(() => parseClientMessage(new ArrayBuffer(4)), SyntaxError);
});

Deno.test("frameBytes() is what parseFrame() reads", () => {
  const pixels = new Uint8Array([1, 2, 3, 250, 251, 252]);
  const frame = {
    id: 3,
    parent: -1,
    index: 70_000,
    rate: 4.5,
    action: -1,
    width: 2,
    height: 1,
    pixels,
  };
  assert.deepEqual(parseFrame(frameBytes(frame)), frame);
});
