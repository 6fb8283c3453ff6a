import assert from "node:assert/strict";
import { actionKeys, idleAction } from "../../player/action_keys.ts";
import type { ModelInfo } from "../../mod.ts";

function info(actions: string[] | undefined, count = actions?.length ?? 0): ModelInfo {
  const condition = count > 0 ? { kind: "action", count } : { kind: "none", count: 0 };
  return { actions, condition } as unknown as ModelInfo;
}

Deno.test("actionKeys() gives arrows, letters, space and digits by name and number", () => {
  const keys = actionKeys(info(["forward", "left", "right", "stay"]));
  assert.deepEqual(keys.map((entry) => entry.keys), [
    ["arrowup", "w", "1"],
    ["arrowleft", "a", "2"],
    ["arrowright", "d", "3"],
    [" ", "4"],
  ]);
  assert.equal(idleAction(keys), 3);
});

Deno.test("actionKeys() gives no key twice, and digits to what has no known name", () => {
  const keys = actionKeys(info(["left", "turn left", "jump"]));
  assert.deepEqual(keys.map((entry) => entry.keys), [["arrowleft", "a", "1"], ["2"], ["3"]]);
  assert.equal(idleAction(keys), undefined);
  assert.deepEqual(actionKeys(info(undefined, 11)).at(-1), {
    action: 10,
    name: "action 10",
    keys: [],
  });
});

Deno.test("actionKeys() is empty for a model without actions", () => {
  assert.deepEqual(actionKeys(info(undefined)), []);
});
