import assert from "node:assert/strict";
import { join } from "node:path";
import { FolderLock } from "../../batch/folder_lock.ts";
import { inFolder } from "../support/folder.ts";

const TAKEN = { name: "UsageError", message: /another batch is writing to it$/ };

Deno.test("FolderLock.take() lets one batch into a folder, or one of each part", () =>
  inFolder(async (folder) => {
    {
      using _lock = await FolderLock.take(folder, "");
      await assert.rejects(FolderLock.take(folder, ""), TAKEN);
      using _part = await FolderLock.take(folder, ".0-of-2");
    }
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    using _lock = await FolderLock.take(folder, "");
  }));

Deno.test(
  "FolderLock.take() holds what others will ask for, where the last holder ends meanwhile",
  { ignore: Deno.build.os === "windows" }, // where an open file keeps its name
  () =>
    inFolder(async (folder) => {
      const { tryLock } = Deno.FsFile.prototype;
      Deno.FsFile.prototype.tryLock = async function (exclusive) {
        Deno.FsFile.prototype.tryLock = tryLock;
        await Deno.remove(join(folder, ".far-batch.lock")); // as the last holder does
        return await this.tryLock(exclusive);
      };
      using _lock = await FolderLock.take(folder, "");
      await assert.rejects(FolderLock.take(folder, ""), TAKEN);
    }),
);
