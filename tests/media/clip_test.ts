import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { MediaError } from "../../media/errors.ts";
import { distance, expectedOf, fixture } from "./support/expected.ts";
import type { RgbFrame } from "../../media/frames.ts";
import { decodeWithFfmpeg, difference, HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";
import { withoutFfmpeg } from "../support/environment.ts";

// Differences of cell means to ffmpeg's exact conversion: rounding of the stored mean and of bytes.
const EXACT = 0.2;
// libswscale stretches 24 chroma columns over 47 pixels, where each belongs to two of them.
const ODD_CHROMA = 19;
const READ: [file: string, fps: number | undefined, tolerance: number][] = [
  ["bframes.mp4", 10, EXACT],
  ["open_gop.mp4", 10, EXACT],
  ["bt709.mov", 24000 / 1001, EXACT],
  ["full_range.mp4", 10, EXACT],
  ["odd_444.mp4", 10, EXACT],
  ["tall_422.mkv", 10, EXACT],
  ["odd.webm", 10, ODD_CHROMA],
  ["vp8.webm", 10, EXACT],
  ["av1.mp4", 10, EXACT],
  ["ten_bit.mkv", 10, EXACT],
  ["ten_bit_422.mp4", 10, EXACT],
  ["grey.mp4", 10, EXACT],
  ["one_frame.mp4", 10, EXACT],
  ["vfr.mp4", 2, EXACT],
  ["rotated_90.mp4", 2, EXACT],
  ["rotated_180.mp4", 2, EXACT],
  ["rotated_270.mp4", 2, EXACT],
  ["cut.mp4", 10, EXACT],
  ["animated.gif", 10, EXACT],
  ["yuv420p.y4m", 10, ODD_CHROMA],
  ["yuv422p.y4m", 10, ODD_CHROMA],
  ["yuv444p.y4m", 10, EXACT],
  ["gray.y4m", 10, EXACT],
  ["yuv420p10le.y4m", 10, EXACT],
  ["still_1.png", undefined, EXACT],
  ["palette.png", undefined, EXACT],
  ["grey.png", undefined, EXACT],
  ["alpha.png", undefined, EXACT],
  ["one_bit.png", undefined, EXACT],
  ["deep.png", undefined, 1.1], // ffmpeg cuts 16 bits to 8 without rounding
  ["still_420.jpg", undefined, EXACT],
  ["lossy.webp", undefined, EXACT],
  ["lossless.webp", undefined, EXACT],
];

for (const [file, fps, tolerance] of READ) {
  Deno.test(`readClip() reads ${file} as ffmpeg does`, async () => {
    const clip = await readClip(fixture(file));
    const seen = expectedOf(file);
    assert.deepEqual([clip.width, clip.height], [seen.width, seen.height]);
    assert.equal(clip.frames.length, seen.frames.length);
    clip.frames.forEach((frame, k) => {
      const off = distance(frame, seen.frames[k]!);
      assert.ok(off <= tolerance, `frame ${k} is off by ${off}`);
    });
    assert.equal(clip.fps && Math.round(clip.fps * 1e6), fps && Math.round(fps * 1e6));
    assert.deepEqual(clip.warnings, []);
  });
}

// Codecs and layouts that only the system's ffmpeg can decode.
for (const file of ["mpeg4.mp4", "motion_jpeg.mov", "rgb.mp4", "still_444.jpg", "still_422.jpg"]) {
  Deno.test(`readClip() reads ${file} through ffmpeg`, { ignore: !HAS_FFMPEG }, async () => {
    const clip = await readClip(fixture(file));
    const seen = expectedOf(file);
    assert.equal(clip.frames.length, seen.frames.length);
    clip.frames.forEach((frame, k) => assert.ok(distance(frame, seen.frames[k]!) <= 1.1, `${k}`));
  });
}

Deno.test("readClip() says which sources are lossy", async () => {
  const lossy = ["bframes.mp4", "animated.gif", "still_420.jpg", "lossy.webp", "yuv444p.y4m"];
  for (const file of lossy) assert.equal((await readClip(fixture(file))).lossy, true, file);
  for (const file of ["still_1.png", "lossless.webp"]) {
    assert.equal((await readClip(fixture(file))).lossy, false, file);
  }
});

Deno.test("readClip() picks frames by start, stride and count", async () => {
  for (const file of ["bframes.mp4", "open_gop.mp4", "bt709.mov", "animated.gif", "vfr.mp4"]) {
    const seen = expectedOf(file).frames;
    const last = seen.length - 1;
    for (
      const [start, stride, count] of [[0, 1, 2], [1, 2, 2], [last, 1, 1], [
        2,
        1,
        undefined,
      ]] as const
    ) {
      const { frames } = await readClip(fixture(file), { start, stride, count });
      assert.equal(frames.length, count ?? last - 1);
      frames.forEach((frame, k) => {
        const off = distance(frame, seen[start + k * stride]!);
        assert.ok(off <= EXACT, `${file}: frame ${start} + ${k} * ${stride} is off by ${off}`);
      });
    }
  }
});

Deno.test("readClip() finds every frame of a video when it begins there", async () => {
  for (const file of ["bframes.mp4", "open_gop.mp4", "cut.mp4"]) {
    const seen = expectedOf(file).frames;
    for (let start = 0; start < seen.length; start += 3) {
      const { frames } = await readClip(fixture(file), { start, count: 1 });
      assert.ok(distance(frames[0]!, seen[start]!) <= EXACT, `${file} ${start}`);
    }
  }
});

Deno.test("readClip() divides the frame rate by the stride", async () => {
  assert.equal((await readClip(fixture("bframes.mp4"), { stride: 4 })).fps, 2.5);
});

Deno.test("readClip() reads a folder and a pattern in natural order", () =>
  inFolder(async (folder) => {
    const order = [1, 2, 3];
    for (const [k, name] of ["2.png", "10.png", "11.png"].entries()) {
      await Deno.copyFile(fixture(`still_${order[k]}.png`), join(folder, name));
    }
    await Deno.writeTextFile(join(folder, "notes.txt"), "not an image");
    for (const source of [folder, join(folder, "%d.png"), join(folder, "%1d.png")]) {
      const { frames } = await readClip(source);
      assert.equal(frames.length, 3);
      frames.forEach((frame, k) => {
        assert.ok(distance(frame, expectedOf(`still_${k + 1}.png`).frames[0]!) <= EXACT);
      });
    }
    const { frames } = await readClip(join(folder, "%d.png"), { start: 2 });
    assert.ok(distance(frames[0]!, expectedOf("still_3.png").frames[0]!) <= EXACT);
    await assert.rejects(readClip(join(folder, "x%d.png")), /no file matches the pattern/);
    await Deno.copyFile(fixture("still_3.png"), join(folder, "100%done.png"));
    assert.equal((await readClip(join(folder, "100%done.png"))).frames.length, 1);
    await Deno.mkdir(join(folder, "12.png")); // not a picture, despite its name
    assert.equal((await readClip(folder)).frames.length, 4);
    if (Deno.build.os === "windows") return;
    await Deno.symlink("gone.png", join(folder, "13.png"));
    await assert.rejects(readClip(folder), {
      name: "MediaError",
      message: /^Cannot read ".*13\.png": there is no such file$/,
    });
  }));

Deno.test("readClip() crops and resizes to the size asked for", async () => {
  const { width, height, frames } = await readClip(fixture("bframes.mp4"), {
    count: 1,
    size: { width: 16, height: 16 },
  });
  assert.deepEqual([width, height, frames[0]!.data.length], [16, 16, 768]);
});

Deno.test("readClip() reads a cut-off video with a warning when enough is left", async () => {
  const clip = await readClip(fixture("truncated.mp4"), { count: 8 });
  assert.equal(clip.frames.length, 8);
  assert.match(clip.warnings.join(), /truncated\.mp4" is cut off/);
  await assert.rejects(
    readClip(fixture("truncated.mp4"), { count: 30 }),
    /truncated\.mp4": it has \d+ frames, but 30 from frame 0 need 30; it is cut off/,
  );
});

Deno.test("readClip() names the file and the fault in one line", () =>
  inFolder(async (folder) => {
    const text = join(folder, "text.mp4");
    await Deno.writeTextFile(text, "this is not a video at all\n".repeat(40));
    const empty = join(folder, "empty.mp4");
    await Deno.writeTextFile(empty, "");
    const cases: [string, RegExp][] = [
      [text, /text\.mp4": it is not a video, or its format is unknown/],
      [empty, /empty\.mp4": it is empty/],
      [join(folder, "none.mp4"), /none\.mp4": there is no such file/],
      [fixture("sound_only.mp4"), /sound_only\.mp4": it contains no video/],
      [fixture("make.sh"), /make\.sh": it is not a video/],
      [folder, /the folder contains no \.png/],
    ];
    for (const [source, message] of cases) {
      await assert.rejects(readClip(source), (error: Error) => {
        assert.ok(error instanceof MediaError, `${error}`);
        assert.match(error.message, message);
        assert.ok(!error.message.includes("\n"));
        return true;
      });
    }
    const short = readClip(fixture("bframes.mp4"), { start: 20, stride: 2, count: 8 });
    await assert.rejects(short, /it has 30 frames, but 8 from frame 20 at a stride of 2 need 35/);
    await assert.rejects(readClip(fixture("bframes.mp4"), { start: 30 }), /frame 30/);
    await assert.rejects(readClip(fixture("bframes.mp4"), { stride: 0 }), RangeError);
  }));

Deno.test(
  "readClip() reads a UCF-101 clip as ffmpeg does, pixel by pixel",
  { ignore: !HAS_FFMPEG },
  async () => {
    const path = `${import.meta.dirname}/../fixtures/clips/v_CliffDiving_g08_c03.mp4`;
    const { width, height, frames, fps } = await readClip(path);
    assert.deepEqual([width, height, frames.length, fps], [320, 240, 78, 25]);
    const seen = await decodeWithFfmpeg(path, { width, height });
    assert.equal(seen.length, 78);
    for (const [k, frame] of (frames as RgbFrame[]).entries()) {
      const { worst, mean } = difference(frame, seen[k]!);
      assert.ok(worst <= 1 && mean < 0.05, `frame ${k}: worst ${worst}, mean ${mean}`);
    }
  },
);

Deno.test(
  "readClip() says that a video has too few frames, whoever decodes it",
  { ignore: !HAS_FFMPEG },
  async () => {
    const short = readClip(fixture("mpeg4.mp4"), { start: 1000, count: 4 });
    await assert.rejects(short, /mpeg4\.mp4": it has \d+ frames, but 4 from frame 1000 need 1004$/);
  },
);

Deno.test("readClip() does not wait for a video that somebody would have to type", async () => {
  const { isTerminal } = Deno.stdin;
  Deno.stdin.isTerminal = () => true;
  try {
    await assert.rejects(readClip("-"), { name: "MediaError", message: /pipe \.y4m in/ });
  } finally {
    Deno.stdin.isTerminal = isTerminal;
  }
});

Deno.test("readClip() closes a .y4m and ffmpeg when it has enough frames", async () => {
  assert.equal((await readClip(fixture("yuv444p.y4m"), { count: 1 })).frames.length, 1);
  if (HAS_FFMPEG) {
    assert.equal((await readClip(fixture("mpeg4.mp4"), { count: 1 })).frames.length, 1);
  }
});

Deno.test("readClip() says where ffmpeg would help", () =>
  inFolder(async (folder) => {
    const strange = join(folder, "clip.avi");
    await Deno.writeTextFile(strange, "RIFF    AVI LIST");
    for (const source of [strange, fixture("still_444.jpg")]) {
      const reading = withoutFfmpeg(() => readClip(source));
      await assert.rejects(reading, /; with ffmpeg installed more can be read$/);
    }
  }));
