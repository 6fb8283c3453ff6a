import assert from "node:assert/strict";
import { screenColumns } from "../../commands/terminal.ts";

Deno.test("screenColumns() is 80 where no size is known", () => {
  assert.equal(screenColumns(() => ({ columns: 132 })), 132);
  assert.equal(screenColumns(() => ({ columns: 0 })), 80);
  const noScreen = () => {
    throw new Error("not a terminal");
  };
  assert.equal(screenColumns(noScreen), 80);
});
