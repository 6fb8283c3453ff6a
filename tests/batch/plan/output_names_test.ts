import assert from "node:assert/strict";
import {
  checkOutputNames,
  collisionKey,
  fillIn,
  nameFault,
  outputFiles,
  TakenNames,
} from "../../../batch/plan/output_names.ts";

Deno.test("nameFault() refuses names outside the folder, by the rules of every system", () => {
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
    "COM\u00b2.mp4",
    "lpt\u00b3",
    "CONIN$",
    "conout$.mp4",
    "nul .mp4",
    "a\u009b.mp4",
    "a\u202e.mp4",
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

Deno.test("checkOutputNames() refuses unusable names, with line and field", () => {
  checkOutputNames(["a.mp4", "a/a.npz"], "j:3");
  const refused = (names: string[], pattern: RegExp) =>
    assert.throws(() => checkOutputNames(names, "j:3"), pattern);
  refused(["../a.mp4"], /"output" in j:3: "\.\.\/a\.mp4" must be inside the output folder$/);
  refused(["a.mp4", "a.mp4"], /"output" in j:3: .*twice/);
  refused(["a.png", "A.png"], /"a\.png" and "A\.png" would be one file$/);
  refused(["b/é.mp4", "b/e\u0301.mp4"], /would be one file$/);
  refused(["f-%d.png", "f-0.png"], /"f-%d\.png" and "f-0\.png" would be one file$/);
  refused(["f-12.png", "f-%d.png"], /would be one file$/);
  checkOutputNames(["f-%d.png", "f-x.png", "f-0.mp4"], "j:3");
  refused(["a.avi"], /"output" in j:3: .*\.safetensors/);
});

Deno.test("collisionKey() is equal for names that are one file on some system", () => {
  assert.equal(collisionKey("A/\u00c9.mp4"), collisionKey("a/e\u0301.MP4"));
  assert.notEqual(collisionKey("a.mp4"), collisionKey("a-.mp4"));
});

Deno.test("fillIn() takes fields of the job by any spelling, and nothing else", () => {
  const fields = { id: "a", seed: 3, "context-frames": 2, "only-generated": true, size: {} };
  const filled = (template: string) => fillIn(template, fields, "output", "j:3");
  assert.equal(filled("{id}/{seed}-{contextFrames}-{context_frames}"), "a/3-2-2");
  assert.equal(filled("{only-generated}.mp4"), "true.mp4");
  assert.equal(filled("plain{}.mp4"), "plain{}.mp4");
  assert.throws(
    () => filled("{sede}.mp4"),
    /"output" in j:3: \{sede\} has no value \(did you mean "seed"\?\)/,
  );
  assert.throws(() => filled("{size}.mp4"), /\{size\}/);
});

Deno.test("outputFiles() numbers the files of several videos, but not tensors", () => {
  assert.deepEqual(outputFiles(["a.mp4", "a.safetensors"], 2), [
    "a-0.mp4",
    "a-1.mp4",
    "a.safetensors",
  ]);
});

const COLLISIONS: readonly [string, string, boolean][] = [
  ["a.mp4", "A.mp4", true],
  ["f-%d.png", "f-0.png", true],
  ["f-%d.png", "F-017.PNG", true],
  ["f-%d.png", "f-%d.png", true],
  ["f-%d.png", "f-%03d.png", true],
  ["f-%d.png", "f-1%d.png", true],
  ["f-%d.png", "f-%d0.png", true],
  ["a/f-%d.png", "a/f-3.png", true],
  ["f%d-0.png", "f7-0.png", true],
  ["f-%d.png", "f-x.png", false],
  ["f-%d.png", "f-.png", false],
  ["f-%d.png", "g-0.png", false],
  ["f-%d.png", "a/f-0.png", false],
  ["f-%d.png", "f-0.mp4", false],
  ["1-%d.png", "2-%d.png", false],
  ["1-%d.png", "2-7.png", false],
  ["f-%d.gif", "f-0.gif", false],
  ["50%.png", "500.png", false],
];

for (const [one, other, collide] of COLLISIONS) {
  Deno.test(`TakenNames: ${one} and ${other} ${collide ? "are" : "are not"} one file`, () => {
    for (const [first, second] of [[one, other], [other, one]] as const) {
      const taken = new TakenNames<number>();
      assert.equal(taken.take(first, 1), undefined);
      assert.equal(taken.take(second, 2), collide ? 1 : undefined, `${first} ${second}`);
    }
  });
}
