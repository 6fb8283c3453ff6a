import assert from "node:assert/strict";
import { join } from "node:path";
import { checkOutputs, workFolder } from "../../../commands/evaluate/files.ts";
import { inFolder } from "../../support/folder.ts";

Deno.test("checkOutputs() refuses what cannot be written, and leaves nothing behind", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "report.html");
    await checkOutputs({ output: [path, join(folder, "n.csv")] });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    await assert.rejects(checkOutputs({ output: [join(folder, "report.pdf")] }), {
      name: "UsageError",
      message: /must end in one of \.html \.json \.csv \.md/,
    });
    await assert.rejects(checkOutputs({ output: [join(folder, "no/report.html")] }), {
      name: "MediaError",
      message: /there is no folder/,
    });
    await Deno.writeTextFile(path, "mine");
    await assert.rejects(checkOutputs({ output: [path] }), { message: /it exists.*--overwrite/ });
    await checkOutputs({ output: [path], overwrite: true });
    assert.equal(await Deno.readTextFile(path), "mine");
  });
});

Deno.test("workFolder() is what was asked for, else named after the first output", () => {
  assert.equal(workFolder({ outDir: "work", output: ["a/report.html"] }), "work");
  assert.equal(workFolder({ output: ["a/report.html", "n.json"] }), "a/report");
  assert.equal(workFolder({}), undefined);
});
