import assert from "node:assert/strict";
import { join } from "node:path";
import { lockFolder } from "../../../batch/folder_lock.ts";
import { WorkerFiles } from "../../../batch/queue/worker_files.ts";

Deno.test("WorkerFiles.make() removes folders of workers that are gone, and no others", async () => {
  const old = new Date(Date.now() - 3_600_000);
  const make = () => Deno.makeTempDir({ prefix: "far-worker-" });
  const [gone, used, young] = [await make(), await make(), await make()];
  const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
  try {
    await Deno.writeTextFile(join(gone, "input-1.gif"), "left behind");
    using _lock = await lockFolder(used, "");
    for (const folder of [gone, used]) await Deno.utime(folder, old, old);
    await using _files = await WorkerFiles.make();
    assert.deepEqual([await exists(gone), await exists(used), await exists(young)], [
      false,
      true,
      true,
    ]);
  } finally {
    for (const folder of [gone, used, young]) {
      await Deno.remove(folder, { recursive: true }).catch(() => {});
    }
  }
});
