import assert from "node:assert/strict";
import { join } from "node:path";
import { inputFault, loraFault, MOST_BLOB_BYTES, outputFault } from "../../../batch/plan/travel.ts";
import { inFolder } from "../../support/folder.ts";

Deno.test("inputFault() accepts single files of limited size for a queue", () =>
  inFolder(async (folder) => {
    const path = join(folder, "100%.npz");
    await Deno.writeTextFile(path, "x");
    assert.equal(await inputFault(path), undefined);
    assert.match((await inputFault(folder))!, /cannot be sent .*, it is a folder: use --shared$/);
    assert.match((await inputFault(join(folder, "%d.png")))!, /it consists of many files/);
    await Deno.truncate(path, MOST_BLOB_BYTES);
    assert.equal(await inputFault(path), undefined);
    await Deno.truncate(path, MOST_BLOB_BYTES + 1);
    assert.match((await inputFault(path))!, /it has 67\.1 MB, the limit is 67\.1 MB/);
  }));

Deno.test("outputFault() refuses only outputs of many files", () => {
  for (const name of ["a.mp4", "50%.png", "a%d.mp4"]) assert.equal(outputFault(name), undefined);
  for (const name of ["%d.png", "deep/f%03d.PNG"]) assert.match(outputFault(name)!, /many files/);
});

Deno.test("loraFault() refuses adapters that are more than one file", async () => {
  const fixtures = join(import.meta.dirname!, "../../fixtures/weights/lora");
  const peft = join(fixtures, "peft/adapter_model.safetensors");
  assert.match((await loraFault(peft))!, /its alpha is in a file beside it: use --shared$/);
  assert.match((await loraFault(join(fixtures, "peft")))!, /it is a folder: use --shared$/);
  const diffusers = join(fixtures, "diffusers/pytorch_lora_weights.safetensors");
  assert.equal(await loraFault(diffusers), undefined);
});
