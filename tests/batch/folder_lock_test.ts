import assert from "node:assert/strict";
import { join } from "node:path";
import { lockFolder } from "../../batch/folder_lock.ts";
import { inFolder } from "../support/folder.ts";

const TAKEN = { name: "UsageError", message: /another batch is writing there$/ };

Deno.test("lockFolder() admits one batch per folder, or one per shard", () =>
  inFolder(async (folder) => {
    {
      using _lock = await lockFolder(folder, "");
      await assert.rejects(lockFolder(folder, ""), TAKEN);
      using _part = await lockFolder(folder, ".0-of-2");
    }
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    using _lock = await lockFolder(folder, "");
  }));

Deno.test(
  "lockFolder() locks the current file when the last holder ends meanwhile",
  { ignore: Deno.build.os === "windows" }, // where an open file keeps its name
  () =>
    inFolder(async (folder) => {
      const { tryLock } = Deno.FsFile.prototype;
      Deno.FsFile.prototype.tryLock = async function (exclusive) {
        Deno.FsFile.prototype.tryLock = tryLock;
        await Deno.remove(join(folder, ".far-batch.lock")); // as the last holder does
        return await this.tryLock(exclusive);
      };
      using _lock = await lockFolder(folder, "");
      await assert.rejects(lockFolder(folder, ""), TAKEN);
    }),
);
