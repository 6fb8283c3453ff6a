import assert from "node:assert/strict";
import { join } from "node:path";
import { openPreview } from "../../request/preview.ts";
import { readClip } from "../../media/clip.ts";
import type { Frame } from "../../mod.ts";
import { inFolder } from "../support/folder.ts";
import { recorder } from "../support/recorder.ts";

function frame(video: number, index: number): Frame {
  const pixels = { width: 4, height: 2, data: new Float32Array(24).fill(index / 255) };
  return { index, kind: "generated", video, pixels, latents: new Float32Array(1) };
}

Deno.test("openPreview() rewrites a picture with the newest frame of the first video", () =>
  inFolder(async (folder) => {
    const path = join(folder, "newest.png");
    const preview = openPreview(path, recorder())!;
    assert.equal(preview.drawsOnScreen, false);
    for (const index of [3, 4]) {
      for (const video of [0, 1]) await preview.show(frame(video, index + 10 * video));
      const { frames, width, height } = await readClip(path);
      assert.deepEqual([width, height, frames[0]!.data[0]], [4, 2, index]);
    }
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["newest.png"]);
  }));

for (const place of ["missing/newest.png", "folder.png", "file/newest.png"]) {
  Deno.test(`openPreview() says once that ${place} cannot be written, and the run continues`, () =>
    inFolder(async (folder) => {
      await Deno.mkdir(join(folder, "folder.png"));
      await Deno.writeTextFile(join(folder, "file"), "");
      const terminal = recorder();
      const preview = openPreview(join(folder, place), terminal)!;
      for (const index of [1, 2, 3]) await preview.show(frame(0, index));
      assert.equal(terminal.stderr.length, 1);
      assert.match(
        terminal.stderr[0]!,
        /^warning: Cannot write .*; continuing without the preview$/,
      );
    }));
}

Deno.test("openPreview() draws over the last picture on a screen", async () => {
  const terminal = recorder(true);
  const preview = openPreview("terminal", terminal)!;
  assert(preview.drawsOnScreen);
  await preview.show(frame(0, 1));
  await preview.show(frame(0, 2));
  const [first, second] = terminal.stderr.map((text) => text.split("\n"));
  assert.equal(first!.length, 2); // two rows of pixels in one line, and what it is
  assert.equal(first![1], "generated 1\x1b[K");
  assert(second![0]!.startsWith("\x1b[2A"));
});

Deno.test("openPreview() refuses files that are not pictures, and a missing terminal", () => {
  assert.equal(openPreview(undefined, recorder()), undefined);
  const cases: [string, RegExp][] = [
    ["newest.jpg", /^Cannot preview to "newest.jpg": give a name that ends in .png, or terminal$/],
    ["f%d.png", /^Cannot preview to "f%d.png"/],
    ["terminal", /stderr is not a terminal$/],
  ];
  for (const [target, message] of cases) {
    assert.throws(() => openPreview(target, recorder()), { name: "UsageError", message });
  }
});
