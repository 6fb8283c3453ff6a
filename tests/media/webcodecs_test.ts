import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { UnsupportedMediaError } from "../../media/errors.ts";
import { openFrameWriter } from "../../media/video_writer.ts";
import { loadWebCodecs, webCodecsProblem } from "../../media/webcodecs.ts";
import { distance, expectedOf, fixture } from "./support/expected.ts";
import { HAS_FFMPEG, movingBar } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";
import { withoutAddon, withoutFfmpeg } from "../support/environment.ts";

Deno.test("loadWebCodecs() gives the classes that video needs", () => {
  assert.equal(webCodecsProblem(), undefined);
  const codecs = loadWebCodecs();
  for (
    const name of [
      "VideoEncoder",
      "VideoDecoder",
      "VideoFrame",
      "EncodedVideoChunk",
      "ImageDecoder",
    ] as const
  ) {
    assert.equal(typeof codecs[name], "function", name);
  }
});

Deno.test("webCodecsProblem() says why there is no addon", () =>
  withoutAddon(() => {
    assert.match(webCodecsProblem()!, /disabled \(FAR_NO_ADDON=1\)/);
    assert.throws(() => loadWebCodecs(), UnsupportedMediaError);
    return Promise.resolve();
  }));

Deno.test(
  "readClip() reads videos through ffmpeg without the addon",
  { ignore: !HAS_FFMPEG },
  () =>
    withoutAddon(async () => {
      for (const file of ["bframes.mp4", "rotated_90.mp4", "ten_bit.mkv", "still_420.jpg"]) {
        const seen = expectedOf(file);
        const { frames, fps } = await readClip(fixture(file));
        assert.equal(frames.length, seen.frames.length);
        frames.forEach((frame, k) =>
          assert.ok(distance(frame, seen.frames[k]!) <= 0.2, `${file} ${k}`)
        );
        if (file === "bframes.mp4") assert.equal(fps, 10);
      }
      const { frames } = await readClip(fixture("bframes.mp4"), { start: 3, stride: 2, count: 4 });
      assert.ok(distance(frames[3]!, expectedOf("bframes.mp4").frames[9]!) <= 0.2);
    }),
);

Deno.test(
  "readClip() reports settings and damage of files that ffmpeg reads, too",
  { ignore: !HAS_FFMPEG },
  () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.mp4");
      const metadata = { comment: "x" };
      const writer = await openFrameWriter(path, { width: 64, height: 64, fps: 8, metadata });
      for (const frame of movingBar(64, 64, 20)) await writer.write(frame);
      const { bytes } = await writer.close();
      await withoutAddon(async () => {
        const whole = await readClip(path);
        assert.deepEqual([whole.frames.length, whole.warnings], [20, []]);
        assert.equal(whole.metadata?.comment, "x");
        await Deno.truncate(path, bytes - 20);
        const [warning] = (await readClip(path)).warnings;
        assert.match(warning!, /a\.mp4" is damaged: ffmpeg says: /);
      });
    }),
);

Deno.test("readClip() says what would help without addon and ffmpeg", () =>
  withoutAddon(() =>
    withoutFfmpeg(async () => {
      const message =
        /bframes\.mp4": the video codec addon .* with ffmpeg installed more can be read/;
      await assert.rejects(readClip(fixture("bframes.mp4")), message);
      await assert.rejects(
        readClip(fixture("still_420.jpg")),
        /still_420\.jpg": the video codec addon/,
      );
      assert.equal((await readClip(fixture("still_1.png"))).frames.length, 1);
      assert.equal((await readClip(fixture("animated.gif"))).frames.length, 8);
    })
  ));
