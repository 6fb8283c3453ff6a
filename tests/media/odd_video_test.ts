import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { type Plane, yuvToRgb } from "../../media/color.ts";
import { type RgbFrame, rotate } from "../../media/frames.ts";
import { difference, ffmpeg, HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";
import { withoutFfmpeg } from "../support/environment.ts";

const FRAMES = 3;
const VP8 = ["-c:v", "libvpx"];
const VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"];
const AV1 = ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"];
const X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "10"];

const SHIFTS: Readonly<Record<string, readonly [number, number]>> = {
  "420": [1, 1],
  "411": [2, 0],
  "410": [2, 2],
  "422": [1, 0],
  "440": [0, 1],
  "444": [0, 0],
};

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

/** Blocks of 2x2 in strong colours, so that no chroma sample predicts its neighbours. */
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
  const [shiftX, shiftY] = SHIFTS[/\d{3}/.exec(pixels)![0]]!;
  const [columns, rows] = [-(-width >> shiftX), -(-height >> shiftY)];
  const bits = pixels.includes("p10") ? 10 : 8;
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
    return yuvToRgb(picture, { matrix: "bt601", fullRange: pixels.includes("j") });
  });
}

function assertSame(made: readonly RgbFrame[], wanted: readonly RgbFrame[]): void {
  assert.equal(made.length, wanted.length);
  made.forEach((frame, k) => {
    assert.deepEqual([frame.width, frame.height], [wanted[k]!.width, wanted[k]!.height]);
    assert.equal(difference(frame, wanted[k]!).worst, 0, `frame ${k}`);
  });
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

const MPEG4 = ["-c:v", "mpeg4", "-qscale:v", "2"];
const FFV1 = ["-c:v", "ffv1"];

/** Codecs that ffmpeg alone decodes here. */
const FFMPEG_ONLY: [name: string, size: [number, number], pixels: string, codec: string[]][] = [
  ["mpeg4.avi", [47, 33], "yuv420p", MPEG4],
  ["mpeg4.mp4", [46, 33], "yuv420p", MPEG4],
  ["mpeg2.ts", [47, 33], "yuv420p", ["-c:v", "mpeg2video", "-qscale:v", "2"]],
  ["mjpeg.avi", [47, 33], "yuvj420p", ["-c:v", "mjpeg", "-qscale:v", "2"]],
  ["flv1.flv", [47, 32], "yuv420p", ["-c:v", "flv1", "-qscale:v", "2"]],
  ["theora.ogv", [47, 33], "yuv420p", ["-c:v", "libtheora", "-q:v", "8"]],
  ["prores.mov", [47, 33], "yuv422p10le", ["-c:v", "prores_ks"]],
  ["ffv1.mkv", [47, 33], "yuv420p", FFV1],
  ["ffv1.mkv", [47, 33], "yuv420p10le", FFV1],
  ["ffv1.mkv", [47, 33], "yuv422p", FFV1],
  ["ffv1.mkv", [46, 33], "yuv440p", FFV1],
  ["ffv1.mkv", [46, 33], "yuv411p", FFV1],
  ["ffv1.mkv", [46, 34], "yuv410p", FFV1],
  ["ffv1.mkv", [47, 33], "yuv444p", FFV1],
];

for (const [name, size, pixels, codec] of FFMPEG_ONLY) {
  Deno.test(`readClip() reads ${name} of ${size.join("x")} in ${pixels} in its own planes`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const path = join(folder, name);
      await makeVideo(path, size, pixels, codec);
      const { frames, warnings } = await readClip(path);
      assertSame(frames as RgbFrame[], await planesOf(path, size, pixels));
      assert.deepEqual(warnings, []);
    }));
}

Deno.test("readClip() shows a mirrored video of odd sides as ffmpeg does", {
  ignore: !HAS_FFMPEG,
}, () =>
  inFolder(async (folder) => {
    const [plain, path] = [join(folder, "plain.mp4"), join(folder, "mirrored.mp4")];
    await makeVideo(plain, [47, 33], "yuv420p", MPEG4);
    await ffmpeg(["-v", "error", "-i", plain, "-c", "copy", path]);
    const bytes = await Deno.readFile(path);
    const at = new TextDecoder("latin1").decode(bytes).indexOf("tkhd") + 4 + 40;
    new DataView(bytes.buffer).setInt32(at, -0x10000); // x becomes -x
    await Deno.writeFile(path, bytes);
    const flags = "accurate_rnd+full_chroma_int+full_chroma_inp+neighbor";
    const output = ["-sws_flags", flags, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"];
    const raw = await ffmpeg(["-v", "error", "-i", path, ...output]);
    const size = raw.length / FRAMES;
    assertSame(
      (await readClip(path)).frames as RgbFrame[],
      [0, 1, 2].map((k) => ({
        width: 47,
        height: 33,
        data: raw.subarray(k * size, (k + 1) * size),
      })),
    );
  }));

for (
  const [degrees, codec] of [90, 180, 270].flatMap((degrees) =>
    [
      [degrees, VP9],
      [degrees, MPEG4],
    ] as const
  )
) {
  Deno.test(`readClip() turns a video of odd sides by ${degrees} degrees in ${codec[1]}`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const [plain, path] = [join(folder, "plain.mp4"), join(folder, "turned.mp4")];
      await makeVideo(plain, [47, 33], "yuv420p", codec);
      const turn = ["-metadata:s:v", `rotate=${degrees}`];
      await ffmpeg(["-v", "error", "-i", plain, "-c", "copy", ...turn, path]);
      const wanted = (await planesOf(path, [47, 33], "yuv420p")).map((frame) =>
        rotate(frame, 360 - degrees)
      );
      const part = { start: 1, stride: 1, count: 2 };
      assertSame((await readClip(path, part)).frames as RgbFrame[], wanted.slice(1));
    }));
}
