import assert from "node:assert/strict";
import { nameFault, outputFiles, outputNames } from "../../../commands/batch/output_names.ts";

Deno.test("nameFault() lets no name out of the folder, under the rules of any system", () => {
  const bad = [
    "../x.mp4",
    "a/../../x.mp4",
    "/etc/x.mp4",
    "C:\\x.mp4",
    "C:x.mp4",
    "..\\x.mp4",
    "\\\\server\\share\\x.mp4",
    "a//x.mp4",
    "./x.mp4",
    "a/./x.mp4",
    "a/",
    "",
    "nul.mp4",
    "aux",
    "COM1.mp4",
    "a/con/x.mp4",
    "x.mp4.",
    "x.mp4 ",
    "a\u0000.mp4",
    "a\n.mp4",
    'a".mp4',
    "a|b.mp4",
    `${"x".repeat(300)}.mp4`,
    "-",
  ];
  for (const name of bad) assert.notEqual(nameFault(name), undefined, JSON.stringify(name));
  for (const name of ["x.mp4", "a/b/x.mp4", ".hidden.mp4", "ü 1.mp4", "f-%03d.png", "..x/y.mp4"]) {
    assert.equal(nameFault(name), undefined, name);
  }
});

Deno.test("outputNames() fills in the id and refuses what cannot be written", () => {
  assert.deepEqual(outputNames(["{id}.mp4", "{id}/{id}.npz"], "a", "here"), ["a.mp4", "a/a.npz"]);
  assert.throws(() => outputNames(["{id}.mp4"], "../a", "j:3"), /"output" in j:3: "\.\.\/a\.mp4"/);
  assert.throws(() => outputNames(["a.mp4", "a.mp4"], "a", "j:3"), /"output" in j:3: .*twice/);
  assert.throws(() => outputNames(["a.avi"], "a", "j:3"), /"output" in j:3: .*\.safetensors/);
});

Deno.test("outputFiles() numbers the files of several videos, but not tensors", () => {
  assert.deepEqual(outputFiles(["a.mp4", "a.safetensors"], 2), [
    "a-0.mp4",
    "a-1.mp4",
    "a.safetensors",
  ]);
});
