import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { type Plane, yuvToRgb } from "../../media/color.ts";
import { type RgbFrame, rotate } from "../../media/frames.ts";
import { difference, ffmpeg, HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "./support/folder.ts";

const FRAMES = 3;
const VP8 = ["-c:v", "libvpx"];
const VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"];
const AV1 = ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"];
const X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "10"];

/** `guessed`: whether the addon alone loses colours, which the picture is made to show. */
const VIDEOS: [
  name: string,
  size: [number, number],
  pixels: string,
  codec: string[],
  guessed: boolean,
][] = [
  ["vp8.webm", [47, 33], "yuv420p", VP8, true],
  ["vp8.webm", [46, 33], "yuv420p", VP8, true],
  ["vp8.mkv", [47, 32], "yuv420p", VP8, true],
  ["vp9.webm", [47, 33], "yuv420p", VP9, true],
  ["vp9.mp4", [46, 33], "yuv420p", VP9, true],
  ["vp9.mkv", [47, 32], "yuv420p", VP9, true],
  ["vp9.webm", [17, 9], "yuv420p", VP9, true],
  ["deep.webm", [47, 33], "yuv420p10le", VP9, true],
  ["wide.webm", [47, 33], "yuv422p", VP9, true],
  ["full.webm", [47, 33], "yuv444p", VP9, false],
  ["even.webm", [46, 32], "yuv420p", VP9, false],
  ["av1.mp4", [47, 33], "yuv420p", AV1, true],
  ["av1.mkv", [46, 33], "yuv420p", AV1, true],
  ["av1.webm", [47, 32], "yuv420p", AV1, true],
  // H.264 and H.265 crop 4:2:0 by two columns or rows: their sides are even.
  ["avc.mp4", [46, 34], "yuv420p", X264, false],
  ["full.mp4", [47, 33], "yuv444p", X264, false],
];

/** Blocks of 2x2 in strong colours, so that a chroma sample tells nothing of its neighbours. */
async function makeVideo(
  path: string,
  [width, height]: [number, number],
  pixels: string,
  codec: string[],
): Promise<void> {
  const rgb = new Uint8Array(width * height * 3 * FRAMES);
  for (let i = 0; i < rgb.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const block = (x >> 1) * 7 + (y >> 1) * 11 + (i % 3) * 5;
    rgb[i] = block * block % 13 < 6 ? 230 : 20;
  }
  const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`, "-r", "5"];
  const made = ["-pix_fmt", pixels, "-b:v", "4M", ...codec, "-y", path];
  await ffmpeg(["-v", "error", ...input, "-i", "pipe:0", ...made], rgb);
}

/** ffmpeg's planes of a video that has not been turned, as each pixel's own chroma shows them. */
async function planesOf(
  path: string,
  [width, height]: [number, number],
  pixels: string,
): Promise<RgbFrame[]> {
  const raw = await ffmpeg(
    ["-v", "error", "-noautorotate", "-i", path, "-f", "rawvideo", "-pix_fmt", pixels, "pipe:1"],
  );
  const [shiftX, shiftY] = pixels.includes("420")
    ? [1, 1]
    : pixels.includes("422")
    ? [1, 0]
    : [0, 0];
  const [columns, rows] = [(width + shiftX) >> shiftX, (height + shiftY) >> shiftY];
  const bits = pixels.includes("10") ? 10 : 8;
  const data = bits === 8 ? raw : new Uint16Array(raw.slice().buffer);
  const size = width * height + 2 * columns * rows;
  assert.equal(data.length, FRAMES * size);
  return Array.from({ length: FRAMES }, (_, k) => {
    const plane = (at: number, stride: number): Plane => ({
      data,
      offset: k * size + at,
      stride,
      step: 1,
    });
    const y = plane(0, width);
    const u = plane(width * height, columns);
    const v = plane(width * height + columns * rows, columns);
    const picture = { width, height, bits, chromaShiftX: shiftX, chromaShiftY: shiftY, y, u, v };
    return yuvToRgb(picture, { matrix: "bt601", fullRange: false });
  });
}

function assertSame(made: readonly RgbFrame[], wanted: readonly RgbFrame[]): void {
  assert.equal(made.length, wanted.length);
  made.forEach((frame, k) => {
    assert.deepEqual([frame.width, frame.height], [wanted[k]!.width, wanted[k]!.height]);
    assert.equal(difference(frame, wanted[k]!).worst, 0, `frame ${k}`);
  });
}

async function withoutFfmpeg<T>(action: () => Promise<T>): Promise<T> {
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", "");
  try {
    return await action();
  } finally {
    Deno.env.set("PATH", path);
  }
}

for (const [name, size, pixels, codec, guessed] of VIDEOS) {
  Deno.test(`readClip() reads ${name} of ${size.join("x")} in ${pixels} to its last colours`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const path = join(folder, name);
      await makeVideo(path, size, pixels, codec);
      const wanted = await planesOf(path, size, pixels);
      const { frames, fps, warnings, video } = await readClip(path);
      assertSame(frames as RgbFrame[], wanted);
      assert.deepEqual([fps, warnings, video?.frames], [5, [], FRAMES]);
      const alone = await withoutFfmpeg(() => readClip(path));
      const off = difference(alone.frames[0] as RgbFrame, wanted[0]!).worst;
      assert.equal(off > 50, guessed, `${off}`);
      const warning = /has odd sides: the colours of its last column and row are guessed; with/;
      assert.equal(alone.warnings.length, guessed ? 1 : 0);
      if (guessed) assert.match(alone.warnings[0]!, warning);
    }));
}

for (const degrees of [90, 180, 270]) {
  Deno.test(`readClip() turns a video of odd sides by ${degrees} degrees`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const [plain, path] = [join(folder, "plain.mp4"), join(folder, "turned.mp4")];
      await makeVideo(plain, [47, 33], "yuv420p", VP9);
      const turn = ["-metadata:s:v", `rotate=${degrees}`];
      await ffmpeg(["-v", "error", "-i", plain, "-c", "copy", ...turn, path]);
      const wanted = (await planesOf(path, [47, 33], "yuv420p")).map((frame) =>
        rotate(frame, 360 - degrees)
      );
      const part = { start: 1, stride: 1, count: 2 };
      assertSame((await readClip(path, part)).frames as RgbFrame[], wanted.slice(1));
    }));
}
