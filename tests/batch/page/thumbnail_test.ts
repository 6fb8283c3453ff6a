import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { thumbnail } from "../../../batch/page/thumbnail.ts";
import { parsePng, unpackPng } from "../../../media/png_reader.ts";
import { encodePng } from "../../../media/png_writer.ts";
import { openFrameWriter } from "../../../mod.ts";
import { inFolder } from "../../support/folder.ts";

/** Frames of one colour each: red grows with the frame. */
const solid = (width: number, height: number, red: number) => ({
  width,
  height,
  data: Uint8Array.from({ length: 3 * width * height }, (_, i) => i % 3 === 0 ? red : 0),
});

async function write(path: string, width: number, height: number, frames: number): Promise<void> {
  const writer = await openFrameWriter(path, { width, height, fps: 8 });
  for (let i = 0; i < frames; i++) await writer.write(solid(width, height, i));
  await writer.close();
}

/** File, its size, number of frames, and the size and reds of the picture. */
const CASES = [
  ["one.y4m", 64, 64, 1, 48, [0]],
  ["two.npz", 64, 64, 2, 98, [0, 1]],
  ["five.npz", 64, 64, 5, 148, [0, 2, 4]],
  ["wide.npz", 128, 32, 3, 292, [0, 1, 2]],
  ["tall.npz", 32, 128, 3, 40, [0, 1, 2]],
  ["thinned.npz", 32, 32, 201, 148, [0, 100, 200]],
  ["pictures-%d.png", 64, 64, 3, 148, [0, 1, 2]],
] as const;

for (const [name, width, height, frames, across, reds] of CASES) {
  Deno.test(`thumbnail() of ${frames} frames of ${width}x${height} in ${name}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, name);
      await write(path, width, height, frames);
      const picture = unpackPng(parsePng(Buffer.from((await thumbnail(path))!, "base64")));
      assert.deepEqual([picture.width, picture.height], [across, 48]);
      const tile = (across + 2) / reds.length;
      const found = reds.map((_, i) => picture.data[3 * (24 * across + i * tile + 5)]!);
      for (const [i, red] of reds.entries()) assert.ok(Math.abs(found[i]! - red) <= 2, `${found}`);
    }));
}

Deno.test("thumbnail() of an unreadable file is undefined", () =>
  inFolder(async (folder) => {
    await Deno.writeFile(join(folder, "half.png"), encodePng(solid(64, 64, 9)).subarray(0, 60));
    await Deno.writeTextFile(join(folder, "text.mp4"), "no video");
    for (const name of ["half.png", "text.mp4", "none.npz", "none-%d.png", "none.safetensors"]) {
      assert.equal(await thumbnail(join(folder, name)), undefined, name);
    }
  }));
