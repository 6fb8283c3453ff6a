import assert from "node:assert/strict";
import { join } from "node:path";
import {
  checkNumberForm,
  isPattern,
  numberedFiles,
  numberedName,
} from "../../media/numbered_names.ts";

/** What `ffmpeg -start_number 9` calls its tenth and eleventh picture; undefined: one file. */
const WRITTEN: readonly [pattern: string, names?: readonly [string, string]][] = [
  ["f-%d.png", ["f-9.png", "f-10.png"]],
  ["f-%1d.png", ["f-9.png", "f-10.png"]],
  ["f-%4d.png", ["f-0009.png", "f-0010.png"]],
  ["f-%04d.png", ["f-0009.png", "f-0010.png"]],
  ["f-%00d.png", ["f-9.png", "f-10.png"]],
  ["f-%012d.png", ["f-000000000009.png", "f-000000000010.png"]],
  ["f-%%-%d.png", ["f-%-9.png", "f-%-10.png"]],
  ["g%d-%02d.png", ["g9-09.png", "g10-10.png"]],
  ["f-%-4d.png"],
  ["f-%+d.png"],
  ["h%%d.png"],
  ["f-%i.png"],
  ["f-%u.png"],
];

for (const [pattern, names] of WRITTEN) {
  Deno.test(`numberedName() names the files of ${pattern} as FFmpeg does`, () => {
    assert.equal(isPattern(pattern), names !== undefined);
    if (names) assert.deepEqual([9, 10].map((number) => numberedName(pattern, number)), names);
  });
}

/** Which of these `ffprobe -f image2` finds by a pattern, gaps apart. */
const FILES = ["1.png", "2.png", "004.png", "12.png", "012.png", "1000.png", "0.png", "a1.png"];
const FOUND: readonly [pattern: string, names: readonly string[]][] = [
  ["%d.png", ["0.png", "1.png", "2.png", "12.png", "1000.png"]],
  ["%1d.png", ["0.png", "1.png", "2.png", "12.png", "1000.png"]],
  ["%2d.png", ["12.png", "1000.png"]],
  ["%03d.png", ["004.png", "012.png", "1000.png"]],
  ["%3d.png", ["004.png", "012.png", "1000.png"]],
  ["%05d.png", []],
  ["a%d.png", ["a1.png"]],
];

Deno.test("numberedFiles() finds what the pattern would be written to", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of FILES) await Deno.writeTextFile(join(folder, name), "");
    for (const [pattern, names] of FOUND) {
      const found = await numberedFiles(join(folder, pattern));
      assert.deepEqual(found, names.map((name) => join(folder, name)), pattern);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("checkNumberForm() refuses what FFmpeg does not number by", () => {
  for (const name of ["f-%-4d.png", "f-%+d.png", "f-%i.png", "f-%4u.png"]) {
    assert.throws(() => checkNumberForm(name), /number its files with %d, or %04d for/, name);
  }
  for (const name of ["f-%d.png", "50%.png", "100% done.png", "h%%d.png", "x%up.png", "%.png"]) {
    checkNumberForm(name);
  }
});
