import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { padToEven } from "../../media/color.ts";
import type { RgbFrame } from "../../media/frames.ts";
import type { VideoCodec } from "../../media/video_encoder.ts";
import { openFrameWriter, type WriterOptions } from "../../media/video_writer.ts";
import { decodeWithFfmpeg, difference, HAS_FFMPEG, movingBar, probe } from "./support/ffmpeg.ts";
import { inFolder, namesIn } from "../support/folder.ts";

const judged = { ignore: !HAS_FFMPEG };

async function writeBar(path: string, count: number, options: WriterOptions) {
  const frames = movingBar(options.width, options.height, count);
  const writer = await openFrameWriter(path, options);
  for (const frame of frames) await writer.write(frame);
  return { frames, written: await writer.close() };
}

Deno.test(
  "openFrameWriter() makes an MP4 that ffprobe finds right in every respect",
  judged,
  () =>
    inFolder(async (folder) => {
      const path = join(folder, "bar.mp4");
      const metadata = { comment: "far generate -m demo", "far.settings": '{"seed":0}' };
      const { frames, written } = await writeBar(path, 24, {
        width: 64,
        height: 48,
        fps: 8,
        metadata,
      });
      assert.deepEqual(written, { path, frames: 24, bytes: (await Deno.stat(path)).size });
      assert.deepEqual(namesIn(folder), ["bar.mp4"]);
      const { stream, tags, times, durations } = await probe(path);
      assert.equal(stream.codec_name, "h264");
      assert.equal(stream.pix_fmt, "yuv420p");
      for (const tag of ["color_space", "color_transfer", "color_primaries"]) {
        assert.equal(stream[tag], "bt709");
      }
      assert.equal(stream.color_range, "tv");
      assert.deepEqual([stream.width, stream.height, stream.nb_frames], [64, 48, "24"]);
      assert.deepEqual([stream.r_frame_rate, stream.avg_frame_rate], ["8/1", "8/1"]);
      assert.equal(Number(stream.duration), 3);
      assert.deepEqual(times, Array.from({ length: 24 }, (_, k) => k / 8));
      assert.ok(durations.every((d) => d === 1 / 8));
      assert.equal(tags.comment, metadata.comment);
      assert.equal(tags["far.settings"], metadata["far.settings"]);
      const decoded = await decodeWithFfmpeg(path, { width: 64, height: 48 });
      assert.equal(decoded.length, 24);
      // The bar moves by 2 pixels per frame, so frames in a wrong order are far off.
      frames.forEach((frame, k) =>
        assert.ok(difference(frame, decoded[k]!).mean < 3, `frame ${k}`)
      );
    }),
);

Deno.test("openFrameWriter() puts the index of an MP4 first", () =>
  inFolder(async (folder) => {
    await writeBar(join(folder, "a.mp4"), 3, { width: 16, height: 16, fps: 8 });
    const text = new TextDecoder("latin1").decode(await Deno.readFile(join(folder, "a.mp4")));
    const [moov, mdat] = [text.indexOf("moov"), text.indexOf("mdat")];
    assert.ok(moov > 0 && moov < mdat, `moov at ${moov}, mdat at ${mdat}`);
  }));

Deno.test("openFrameWriter() makes the same MP4 of the same frames at any time of day", () =>
  inFolder(async (folder) => {
    const options = { width: 16, height: 16, fps: 8, metadata: { comment: "far generate" } };
    await writeBar(join(folder, "now.mp4"), 3, options);
    const { now } = Date;
    Date.now = () => now() + 86_400_000;
    try {
      await writeBar(join(folder, "tomorrow.mp4"), 3, options);
    } finally {
      Date.now = now;
    }
    assert.deepEqual(
      await Deno.readFile(join(folder, "tomorrow.mp4")),
      await Deno.readFile(join(folder, "now.mp4")),
    );
  }));

const CODECS: [string, VideoCodec, string][] = [
  ["mp4", "hevc", "hevc"],
  ["mp4", "vp9", "vp9"],
  ["mp4", "av1", "av1"],
  ["mov", "avc", "h264"],
  ["mov", "hevc", "hevc"],
  ["webm", "vp9", "vp9"],
  ["webm", "av1", "av1"],
  ["mkv", "avc", "h264"],
  ["mkv", "hevc", "hevc"],
  ["mkv", "vp9", "vp9"],
  ["mkv", "av1", "av1"],
];
for (const [extension, codec, name] of CODECS) {
  Deno.test(
    `openFrameWriter() writes ${codec} in .${extension} in the right order and colours`,
    judged,
    () =>
      inFolder(async (folder) => {
        const path = join(folder, `a.${extension}`);
        const size = { width: 64, height: 80 };
        const { frames } = await writeBar(path, 20, { ...size, fps: 8, codec, quality: 90 });
        const { stream, times } = await probe(path);
        assert.equal(stream.codec_name, name);
        assert.deepEqual(times, Array.from({ length: 20 }, (_, k) => k / 8));
        const decoded = await decodeWithFfmpeg(path, size);
        assert.equal(decoded.length, 20);
        frames.forEach((frame, k) =>
          assert.ok(difference(frame, decoded[k]!).mean < 4, `frame ${k}`)
        );
      }),
  );
}

for (const extension of ["mp4", "webm"]) {
  Deno.test(
    `openFrameWriter() repeats the edge of odd sizes in .${extension}`,
    judged,
    () =>
      inFolder(async (folder) => {
        const path = join(folder, `a.${extension}`);
        const { frames } = await writeBar(path, 2, { width: 47, height: 33, fps: 24, quality: 90 });
        const { stream } = await probe(path);
        assert.deepEqual([stream.width, stream.height], [48, 34]);
        const [first] = await decodeWithFfmpeg(path, { width: 48, height: 34 });
        assert.ok(difference(padToEven(frames[0]!), first!).mean < 3);
      }),
  );
}

Deno.test(
  "openFrameWriter() keeps slow, broken and single-frame rates constant",
  judged,
  () =>
    inFolder(async (folder) => {
      for (
        const [fps, count, rate] of [[0.5, 3, "1/2"], [30000 / 1001, 5, "30000/1001"], [
          10,
          1,
          "10/1",
        ]] as const
      ) {
        const path = join(folder, "a.mp4");
        await writeBar(path, count, { width: 32, height: 32, fps });
        const { stream, times } = await probe(path);
        assert.equal(stream.r_frame_rate, rate);
        times.forEach((t, k) => assert.ok(Math.abs(t - k / fps) < 1e-4));
        assert.ok(Math.abs(Number(stream.duration) - count / fps) < 1e-4);
      }
    }),
);

Deno.test("openFrameWriter() enlarges N-fold", judged, () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.mp4");
    await writeBar(path, 8, { width: 20, height: 10, fps: 8, scale: 4 });
    const { stream } = await probe(path);
    assert.deepEqual([stream.width, stream.height], [80, 40]);
  }));

Deno.test("openFrameWriter() spends more on every step of quality, in small videos too", () =>
  inFolder(async (folder) => {
    const size = { width: 64, height: 64 };
    const { frames } = await readClip("tests/fixtures/clips/v_CliffDiving_g08_c03.mp4", {
      count: 16,
      size,
    });
    const sizes: number[] = [];
    for (const quality of [0, 20, 40, 60, 80]) {
      const writer = await openFrameWriter(join(folder, `${quality}.mp4`), {
        ...size,
        fps: 8,
        quality,
      });
      for (const frame of frames as RgbFrame[]) await writer.write(frame);
      sizes.push((await writer.close()).bytes);
    }
    assert.ok(sizes.every((bytes, i) => i === 0 || bytes > 1.1 * sizes[i - 1]!), `${sizes}`);
  }));

Deno.test("openFrameWriter() refuses HEVC in sizes that x265 breaks on", () =>
  inFolder(async (folder) => {
    const options = { width: 48, height: 64, fps: 8, codec: "hevc" } as const;
    await assert.rejects(
      openFrameWriter(join(folder, "a.mp4"), options),
      /hevc needs at least 64x64 pixels and the video has 48x64; .* `scale`/,
    );
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test("openFrameWriter() leaves nothing behind after a wrong frame, abort() or no frames", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.mp4");
    const options = { width: 16, height: 16, fps: 8 };
    const [frame] = movingBar(16, 16, 1);
    const wrong = await openFrameWriter(path, options);
    await wrong.write(frame!);
    await assert.rejects(
      wrong.write(movingBar(16, 18, 1)[0]!),
      /a frame of 16x18 .* opened for 16x16/,
    );
    await wrong.abort();
    const aborted = await openFrameWriter(path, options);
    await aborted.write(frame!);
    await aborted.abort();
    await assert.rejects(aborted.write(frame!), /it is already closed/);
    const empty = await openFrameWriter(path, options);
    await assert.rejects(empty.close(), /there are no frames/);
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test("openFrameWriter() reports a disk that fills up and leaves nothing behind", () =>
  inFolder(async (folder) => {
    const write = Deno.FsFile.prototype.write;
    Deno.FsFile.prototype.write = () => Promise.reject(new Error("No space left on device"));
    try {
      const writer = await openFrameWriter(join(folder, "a.mp4"), {
        width: 16,
        height: 16,
        fps: 8,
      });
      await assert.rejects(async () => {
        await writer.write(movingBar(16, 16, 1)[0]!);
        await writer.close();
      }, /Cannot write ".*a\.mp4": No space left on device/);
    } finally {
      Deno.FsFile.prototype.write = write;
    }
    assert.deepEqual(namesIn(folder), []);
  }));
