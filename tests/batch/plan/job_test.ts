import assert from "node:assert/strict";
import { join } from "node:path";
import { expectedFiles } from "../../../batch/batch_run.ts";
import { Digests } from "../../../batch/plan/digest.ts";
import { JobChecker } from "../../../batch/plan/job.ts";
import { Manifest } from "../../../batch/plan/manifest.ts";
import { inFolder } from "../../support/folder.ts";

const GOLDEN = join(import.meta.dirname!, "../../fixtures/goldens/far-label-flexrope");

Deno.test(
  "JobChecker counts videos by the model's labels, whose names may have spaces",
  { ignore: Deno.build.os === "windows" }, // links need a privilege there
  () =>
    inFolder(async (folder) => {
      for (const { name } of Deno.readDirSync(GOLDEN)) {
        await Deno.symlink(join(GOLDEN, name), join(folder, name));
      }
      const labels = ["apply eye makeup", "b", "c", "d", "e"];
      await Deno.writeTextFile(join(folder, "far.json"), JSON.stringify({ labels }));
      const checker = new JobChecker({ name: "jobs", digests: new Digests() });
      const files = async (label: string) => {
        const line = JSON.stringify({ id: "x", label, model: folder, frames: 1 });
        const { job, problems } = await checker.check(new Manifest("jobs").read(line).entries[0]!);
        assert.deepEqual(problems, []);
        return expectedFiles(job!);
      };
      assert.deepEqual(await files("apply eye makeup"), ["x.mp4"]);
      assert.deepEqual(await files("c*2, d"), ["x-0.mp4", "x-1.mp4", "x-2.mp4"]);
    }),
);
