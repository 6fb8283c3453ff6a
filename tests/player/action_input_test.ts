import assert from "node:assert/strict";
import { ActionInput } from "../../player/action_input.ts";

Deno.test("ActionInput.sample() gives the key that is down at every frame, the newest first", () => {
  const input = new ActionInput();
  input.press(0);
  assert.deepEqual([input.sample(), input.sample()], [0, 0]);
  input.press(1);
  assert.equal(input.sample(), 1);
  input.release(1);
  assert.equal(input.sample(), 0);
  input.release(0);
  assert.equal(input.waiting, false);
  assert.equal(input.sample(), undefined);
});

Deno.test("ActionInput.sample() gives a key that went down and up between two frames once", () => {
  const input = new ActionInput();
  input.press(2);
  input.release(2);
  assert.equal(input.waiting, true);
  assert.deepEqual([input.sample(), input.sample()], [2, undefined]);
});

Deno.test("ActionInput.tap() counts for one frame", () => {
  const input = new ActionInput();
  input.tap(3);
  input.tap(1);
  assert.deepEqual([input.sample(), input.sample()], [1, undefined]);
});

Deno.test("ActionInput.clear() releases all keys", () => {
  const input = new ActionInput();
  input.press(0);
  input.tap(1);
  input.clear();
  assert.equal(input.sample(), undefined);
  input.release(0);
  assert.equal(input.waiting, false);
});
