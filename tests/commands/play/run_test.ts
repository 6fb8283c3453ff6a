import assert from "node:assert/strict";
import { run } from "../../../commands/play/run.ts";
import { openedFiles } from "../../support/opened_files.ts";
import { recorder } from "../../support/recorder.ts";
import { MODEL_FILES } from "../../support/opened_files.ts";

Deno.test("far play opens each file of a model once", async () => {
  const model = "tests/fixtures/goldens/far-uncond";
  const stop = new AbortController();
  const terminal = {
    ...recorder(),
    note: (text: string) => text.startsWith("Play at") && stop.abort(new Error("stopped")),
  };
  const options = { model, web: true, port: 0, size: { width: 32, height: 32 } };
  const opened = await openedFiles(
    model,
    () => run({ options, operands: [], terminal, signal: stop.signal }),
  );
  assert.deepEqual(opened, MODEL_FILES);
});
