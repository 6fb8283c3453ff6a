import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { exifOrientation } from "../../media/exif.ts";
import { mirror, rotate } from "../../media/frames.ts";
import { cells, fixture } from "./support/expected.ts";
import { inFolder } from "../support/folder.ts";

const JPEG = Deno.readFileSync(fixture("still_420.jpg"));

/** The picture with an EXIF segment that holds only an orientation. */
function oriented(orientation: number, little: boolean): Uint8Array {
  const tiff = new DataView(new ArrayBuffer(26));
  tiff.setUint16(0, little ? 0x4949 : 0x4d4d);
  tiff.setUint16(2, 42, little);
  tiff.setUint32(4, 8, little);
  tiff.setUint16(8, 1, little);
  tiff.setUint16(10, 0x0112, little);
  tiff.setUint16(12, 3, little);
  tiff.setUint32(14, 1, little);
  tiff.setUint16(18, orientation, little);
  const exif = [0x45, 0x78, 0x69, 0x66, 0, 0, ...new Uint8Array(tiff.buffer)];
  return Uint8Array.of(0xff, 0xd8, 0xff, 0xe1, 0, exif.length + 2, ...exif, ...JPEG.subarray(2));
}

Deno.test("exifOrientation() reads both byte orders, and 1 where there is nothing", () => {
  for (const little of [true, false]) assert.equal(exifOrientation(oriented(6, little)), 6);
  assert.equal(exifOrientation(JPEG), 1);
  assert.equal(exifOrientation(new Uint8Array(0)), 1);
  const whole = oriented(8, true);
  for (let length = 0; length < 60; length++) exifOrientation(whole.subarray(0, length));
  const short = Uint8Array.of(0xff, 0xd8, 0xff, 0xe1, 0, 2, 0x45, 0x78, 0x69, 0x66, ...whole);
  assert.equal(exifOrientation(short), 1); // its segment ends before "Exif" does
});

Deno.test("readClip() turns photographs upright", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.jpg");
    const read = async (orientation: number) => {
      await Deno.writeFile(path, oriented(orientation, true));
      const { frames } = await readClip(path);
      return cells(frames[0]!);
    };
    const { frames } = await readClip(fixture("still_420.jpg"));
    const frame = frames[0]! as Parameters<typeof rotate>[0];
    const wanted = [
      frame,
      mirror(frame),
      rotate(frame, 180),
      rotate(mirror(frame), 180),
      rotate(mirror(frame), 270),
      rotate(frame, 90),
      rotate(mirror(frame), 90),
      rotate(frame, 270),
    ];
    for (const [k, picture] of wanted.entries()) {
      assert.deepEqual(await read(k + 1), cells(picture));
    }
    assert.deepEqual(await read(99), cells(frame));
  }));
