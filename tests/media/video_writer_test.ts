import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { MediaError } from "../../media/errors.ts";
import type { RgbFrame } from "../../media/frames.ts";
import { readMetadata } from "../../media/metadata.ts";
import { openFrameWriter, outputFormat, type WriterOptions } from "../../media/video_writer.ts";
import {
  decodeWithFfmpeg,
  difference,
  ffmpeg,
  HAS_FFMPEG,
  movingBar,
  probe,
} from "./support/ffmpeg.ts";
import { inFolder, namesIn } from "../support/folder.ts";
import { withoutAddon, withoutFfmpeg } from "../support/environment.ts";

const PROGRAM = `${import.meta.dirname}/support/stream.ts`;
const unix = { ignore: Deno.build.os === "windows" };
const judged = { ignore: !HAS_FFMPEG };
const SIZE = { width: 24, height: 18 };
const METADATA = {
  comment: "far generate -m démo",
  "far.settings": '{"seed":0,"path":"größe/日本"}',
};

async function write(path: string, frames: RgbFrame[], options: Partial<WriterOptions> = {}) {
  const { width, height } = frames[0]!;
  const writer = await openFrameWriter(path, { width, height, fps: 8, ...options });
  for (const frame of frames) await writer.write(frame);
  return await writer.close();
}

/** Runs a program of the tests with bytes for its stdout. */
async function stream(format: string, count: number, pipe: string): Promise<Uint8Array> {
  const args = ["-c", `"$0" run -A -q "$1" ${format} ${count} ${pipe}`, Deno.execPath(), PROGRAM];
  const { stdout, stderr, code } = await new Deno.Command("sh", { args }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

Deno.test("openFrameWriter() refuses actions of another number before the first frame", () =>
  inFolder(async (folder) => {
    const options = { width: 8, height: 8, fps: 8, frames: 3, actions: [0, 1] };
    const opened = openFrameWriter(join(folder, "a.npz"), options);
    await assert.rejects(opened, {
      name: "RangeError",
      message: /it has 3 frames, but 2 actions$/,
    });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

for (const extension of ["mp4", "mov", "webm", "mkv", "gif", "png", "npz"]) {
  Deno.test(`readMetadata() reads the settings of a .${extension}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, `a.${extension}`);
      await write(path, movingBar(24, 18, 3), { metadata: METADATA });
      const found = await readMetadata(path);
      assert.deepEqual(JSON.parse(found["far.settings"]!), JSON.parse(METADATA["far.settings"]));
      assert.match(found.comment!, /^far generate -m d(é|\\u00e9)mo$/);
      await write(path, movingBar(24, 18, 3));
      assert.equal((await readMetadata(path))["far.settings"], undefined);
    }));
}

Deno.test(
  "openFrameWriter() makes a .gif that ffmpeg reads at the right speed",
  judged,
  () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.gif");
      const frames = movingBar(24, 18, 9);
      const written = await write(path, frames);
      assert.deepEqual(written, { path, frames: 9, bytes: (await Deno.stat(path)).size });
      const { stream: video, times } = await probe(path);
      assert.deepEqual([video.codec_name, video.width, video.height], ["gif", 24, 18]);
      // A frame cannot take 12.5 hundredths: 13 and 12 in turn.
      assert.deepEqual(times, [0, 0.13, 0.25, 0.38, 0.5, 0.63, 0.75, 0.88, 1]);
      const decoded = await decodeWithFfmpeg(path, SIZE);
      const clip = await readClip(path);
      frames.forEach((frame, k) => {
        assert.ok(difference(frame, decoded[k]!).mean < 1.5, `frame ${k}`);
        assert.deepEqual([...decoded[k]!.data], [...clip.frames[k]!.data]);
      });
      assert.ok(Math.abs(clip.fps! - 8) < 0.1);
    }),
);

Deno.test(
  "openFrameWriter() makes exact .y4m in BT.601 that ffmpeg reads",
  judged,
  () =>
    inFolder(async (folder) => {
      for (const size of [SIZE, { width: 7, height: 5 }]) {
        const path = join(folder, "a.y4m");
        const frames = movingBar(size.width, size.height, 3);
        await write(path, frames, { fps: 30000 / 1001 });
        const { stream: video } = await probe(path);
        assert.equal(video.r_frame_rate, "30000/1001");
        assert.equal(video.color_range, "tv");
        const clip = await readClip(path);
        for (const decoded of [await decodeWithFfmpeg(path, size), clip.frames as RgbFrame[]]) {
          assert.equal(decoded.length, 3);
          frames.forEach((frame, k) => assert.ok(difference(frame, decoded[k]!).worst <= 3));
        }
      }
    }),
);

Deno.test("openFrameWriter() makes one contact sheet, or a .png per frame", () =>
  inFolder(async (folder) => {
    const frames = movingBar(24, 18, 11);
    await write(join(folder, "sheet.png"), frames);
    const sheet = (await readClip(join(folder, "sheet.png"))).frames[0]!;
    assert.deepEqual([sheet.width, sheet.height], [8 * 24 + 7 * 2, 2 * 18 + 2]);
    // Frame 9 is the second of the second row.
    const corner = (20 * sheet.width + 26) * 3;
    assert.deepEqual([...sheet.data.subarray(corner, corner + 72)], [
      ...frames[9]!.data.subarray(0, 72),
    ]);
    assert.deepEqual([...sheet.data.subarray(24 * 3, 26 * 3)], new Array(6).fill(32));
    const written = await write(join(folder, "frame_%02d.png"), frames, { scale: 2 });
    assert.equal(written.frames, 11);
    assert.equal(namesIn(folder).filter((name) => /^frame_\d\d\.png$/.test(name)).length, 11);
    const back = await readClip(join(folder, "frame_%02d.png"), { size: SIZE });
    frames.forEach((frame, k) => assert.deepEqual([...back.frames[k]!.data], [...frame.data]));
  }));

Deno.test("openFrameWriter() leaves no half sequence behind", () =>
  inFolder(async (folder) => {
    const writer = await openFrameWriter(join(folder, "%d.png"), { ...SIZE, fps: 8 });
    for (const frame of movingBar(24, 18, 3)) await writer.write(frame);
    assert.ok(namesIn(folder).every((name) => name.endsWith(".partial")));
    await writer.abort();
    assert.deepEqual(namesIn(folder), []);
  }));

const CODED = [["mp4", "avc"], ["mp4", "hevc"], ["mp4", "vp9"], ["webm", "vp9"], [
  "webm",
  "av1",
]] as const;
for (const [extension, codec] of CODED) {
  Deno.test(`readClip() reads frames back that were written as ${codec} in .${extension}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, `a.${extension}`);
      const frames = movingBar(64, 66, 7);
      await write(path, frames, { codec, quality: 90 });
      const clip = await readClip(path);
      assert.deepEqual([clip.width, clip.height, clip.frames.length], [64, 66, 7]);
      assert.deepEqual([clip.fps, clip.lossy, clip.warnings], [8, true, []]);
      frames.forEach((frame, k) => {
        assert.ok(difference(frame, clip.frames[k] as RgbFrame).mean < 3, `frame ${k}`);
      });
    }));
}

Deno.test("readClip() reads H.264 of level 1b, which small slow pictures get", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.mp4");
    await write(path, movingBar(64, 64, 3), { quality: 75 });
    const bytes = await Deno.readFile(path);
    const box = new TextDecoder("latin1").decode(bytes).indexOf("avcC");
    assert.equal(bytes[box + 7], 9, "the level in the container");
    const { frames } = await withoutFfmpeg(() => readClip(path)); // which would stand in
    assert.equal(frames.length, 3);
  }));

Deno.test("openFrameWriter() makes .npz that can be read back with its actions", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.npz");
    const frames = movingBar(24, 18, 4);
    await write(path, frames, { actions: [0, 3, 1, 2] });
    const clip = await readClip(path, { start: 1 });
    assert.deepEqual(clip.actions, [3, 1, 2]);
    assert.deepEqual([...clip.frames[0]!.data], [...frames[1]!.data]);
    await assert.rejects(write(path, frames, { actions: [1] }), /it has 4 frames, but 1 actions/);
    assert.deepEqual(namesIn(folder), ["a.npz"]);
  }));

Deno.test("openFrameWriter() streams mp4, y4m and rgb24 to stdout", judged, async () => {
  const frames = movingBar(24, 18, 20);
  const mp4 = await stream("mp4", 20, "| cat");
  const { stream: video, times, tags } = await probe(mp4);
  assert.deepEqual([video.codec_name, video.color_space, times.length], ["h264", "bt709", 20]);
  assert.equal(tags["far.settings"], '{"seed":1}');
  assert.ok(new TextDecoder("latin1").decode(mp4).split("moof").length > 3);
  const decoded = await decodeWithFfmpeg(mp4, SIZE);
  frames.forEach((frame, k) => assert.ok(difference(frame, decoded[k]!).mean < 5, `${k}`));
  const y4m = await decodeWithFfmpeg(await stream("y4m", 5, "| cat"), SIZE);
  assert.equal(y4m.length, 5);
  assert.ok(difference(frames[4]!, y4m[4]!).worst <= 3);
  const rgb = await stream("rgb24", 5, "| cat");
  assert.deepEqual([...rgb.subarray(4 * 1296)], [...frames[4]!.data]);
});

Deno.test(
  "openFrameWriter() streams frames to ffmpeg through a pipe",
  judged,
  async () => {
    const out = await stream("y4m", 12, "| ffmpeg -v error -i - -f rawvideo -pix_fmt rgb24 -");
    assert.equal(out.length, 12 * 1296);
  },
);

Deno.test("openFrameWriter() does not fill a terminal with bytes", async () => {
  const { stdout } = Deno;
  const { isTerminal } = stdout;
  stdout.isTerminal = () => true;
  try {
    await assert.rejects(openFrameWriter("-", { ...SIZE, fps: 8, format: "y4m" }), {
      name: "MediaError",
      message: /^Cannot write a video to the terminal: pipe stdout on/,
    });
  } finally {
    stdout.isTerminal = isTerminal;
  }
});

for (const format of ["y4m", "rgb24", "mp4"]) {
  Deno.test(
    `openFrameWriter() tells a closed pipe from a full disk in ${format}`,
    unix,
    async () => {
      const said = await stream(format, 3000, "2>&1 >/dev/full || true");
      assert.match(new TextDecoder().decode(said), /Cannot write to stdout: No space left/);
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "-q", PROGRAM, format, "100000"],
        stdout: "piped",
        stderr: "piped",
      });
      const child = command.spawn();
      const reader = child.stdout.getReader();
      assert.ok((await reader.read()).value!.length > 0);
      await reader.cancel();
      assert.equal((await new Response(child.stderr).text()).trim(), "closed pipe");
      assert.equal((await child.status).code, 0);
    },
  );
}

Deno.test(
  "openFrameWriter() falls back to ffmpeg without the addon",
  judged,
  () =>
    inFolder((folder) =>
      withoutAddon(async () => {
        for (
          const [name, codec, wanted] of [["a.mp4", "avc", "h264"], ["b.webm", "vp9", "vp9"], [
            "c.mp4",
            "hevc",
            "hevc",
          ]] as const
        ) {
          const path = join(folder, name);
          const frames = movingBar(65, 64, 10);
          const written = await write(path, frames, {
            codec,
            metadata: { comment: "a=b;c", "far.settings": "{}" },
          });
          assert.equal(written.bytes, (await Deno.stat(path)).size);
          const { stream: video, times, tags } = await probe(path);
          assert.deepEqual([video.codec_name, video.width, video.height], [wanted, 66, 64]);
          assert.deepEqual([video.color_space, video.color_range], ["bt709", "tv"]);
          assert.deepEqual(
            times.sort((a, b) => a - b),
            Array.from({ length: 10 }, (_, k) => k / 8),
          );
          assert.equal(tags["far.settings"] ?? tags["FAR.SETTINGS"], "{}");
          assert.equal((await readClip(path)).frames.length, 10);
        }
        assert.deepEqual(namesIn(folder), ["a.mp4", "b.webm", "c.mp4"]);
      })
    ),
);

Deno.test("openFrameWriter() says what works where neither addon nor ffmpeg do", () =>
  inFolder((folder) =>
    withoutAddon(() =>
      withoutFfmpeg(async () => {
        const opened = openFrameWriter(join(folder, "a.mp4"), { ...SIZE, fps: 8 });
        await assert.rejects(opened, /a\.mp4": .*disabled.*\. Install ffmpeg, or write \.gif/);
        await write(join(folder, "a.gif"), movingBar(24, 18, 2));
        assert.deepEqual(namesIn(folder), ["a.gif"]);
      })
    )
  ));

Deno.test("openFrameWriter() turns down what it cannot write, in one line", () =>
  inFolder(async (folder) => {
    const cases: [string, Partial<WriterOptions>, RegExp][] = [
      ["a.avi", {}, /a\.avi": the name must end in \.mp4, /],
      ["a", {}, /the name must end in/],
      ["no/a.gif", {}, /there is no folder/],
      ["a.webm", { codec: "avc" }, /a\.webm": a \.webm contains vp9 or av1, not avc/],
      ["a.mp4", { fps: 0 }, /fps must be above 0/],
      ["a.mp4", { quality: 101 }, /quality must be 0 to 100/],
      ["a.mp4", { width: 0 }, /invalid size 0x18/],
    ];
    for (const [name, options, message] of cases) {
      const opened = openFrameWriter(join(folder, name), { ...SIZE, fps: 8, ...options });
      await assert.rejects(opened, message);
    }
    assert.throws(() => outputFormat("-", "gif"), /formats are mp4, y4m, rgb24/);
    assert.throws(() => outputFormat("-"), MediaError);
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test(
  "a lossless round trip through ffmpeg keeps the pixels",
  judged,
  () =>
    inFolder(async (folder) => {
      const frames = movingBar(24, 18, 3);
      const rgb = new Uint8Array(3 * 1296);
      frames.forEach((frame, k) => rgb.set(frame.data, k * 1296));
      const path = join(folder, "ffv1.mkv");
      const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "24x18", "-r", "8", "-i", "-"];
      await ffmpeg(["-v", "error", ...input, "-c:v", "ffv1", "-pix_fmt", "bgr0", path], rgb);
      const clip = await readClip(path);
      frames.forEach((frame, k) => assert.deepEqual([...clip.frames[k]!.data], [...frame.data]));
    }),
);
