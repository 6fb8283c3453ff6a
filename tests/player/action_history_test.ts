import assert from "node:assert/strict";
import { ActionHistory } from "../../player/action_history.ts";

Deno.test("ActionHistory writes runs as --actions reads them", () => {
  const history = new ActionHistory(["forward", "left"]);
  for (const action of [0, 0, 0, 1, 0, 7]) history.push(action);
  assert.equal(history.text(), "forward*3,left,forward,7");
  assert.equal(history.text(2), "forward,7");
  history.clear();
  assert.equal(history.text(), "");
});

Deno.test("ActionHistory stays small, and says that it is not whole then", () => {
  const history = new ActionHistory(["a", "b"]);
  for (let i = 0; i < 10_000; i++) history.push(i % 2);
  assert.equal(history.complete, true);
  history.push(0);
  assert.equal(history.complete, false);
  assert.equal(history.text().split(",").length, 10_000);
});
