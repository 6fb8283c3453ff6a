import assert from "node:assert/strict";
import { CheckpointError } from "../../files/errors.ts";
import { checkSpace } from "../../files/folders.ts";

Deno.test("checkSpace() says what is needed and what the disk has left", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await checkSpace(folder, 0, "Cannot write it");
    await assert.rejects(checkSpace(folder, 2 ** 70, "Cannot write it"), (error) => {
      assert.ok(error instanceof CheckpointError && error.reason === "Unwritable");
      const [, needed, left] = /^Cannot write it: it needs (\d+) MB and ".+" has (\d+) MB left$/
        .exec(error.message) ?? [];
      assert.ok(Number(left) >= 0 && Number(left) < Number(needed), error.message);
      return true;
    });
  } finally {
    await Deno.remove(folder);
  }
});
