import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { openWithFfmpeg } from "../../media/ffmpeg_reader.ts";
import { collectFrames, type FrameStream } from "../../media/frame_stream.ts";
import type { RgbFrame } from "../../media/frames.ts";
import { Picks } from "../../media/picks.ts";
import { openVideo } from "../../media/video_reader.ts";
import { fixture } from "./support/expected.ts";
import { difference, HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";
import { type Edit, editList, EMPTY, withEdits, withMatrix } from "./support/mp4_boxes.ts";

/** 30 frames at 10 per second, with B-frames; key pictures are 0, 12 and 24. */
const WHOLE = Deno.readFileSync(fixture("bframes.mp4"));
/** Media time of frame 0, and of a frame. */
const [FIRST, FRAME] = [2048, 1024];
const at = (frame: number) => FIRST + FRAME * frame;

/** Frames that ffmpeg 5.1 shows, by their places in the whole video. */
const SHOWN: [what: string, edits: Edit[], from: number, to: number, isWide?: boolean][] = [
  ["everything", [{ length: 3000, from: at(0) }], 0, 30],
  ["no entry", [], 0, 30],
  ["all before the first frame, too", [{ length: 3000, from: 0 }], 0, 28],
  ["a start at a key picture", [{ length: 1800, from: at(12) }], 12, 30],
  ["a start at another picture", [{ length: 2700, from: at(3) }], 3, 30],
  ["a start within a picture", [{ length: 2650, from: at(3.5) }], 4, 30],
  ["an end", [{ length: 2000, from: at(0) }], 0, 20],
  ["an end within a picture", [{ length: 1950, from: at(0) }], 0, 20],
  ["an end just after a picture", [{ length: 2001, from: at(0) }], 0, 21],
  ["an end beyond the video", [{ length: 9000, from: at(0) }], 0, 30],
  ["a start and an end", [{ length: 1000, from: at(5) }], 5, 15],
  ["an empty part before", [{ length: 500, from: EMPTY }, { length: 3000, from: at(0) }], 0, 30],
  [
    "an empty part, start and end",
    [
      { length: 500, from: EMPTY },
      { length: 1000, from: at(5) },
    ],
    5,
    15,
  ],
  [
    "an empty part, a key picture and end",
    [
      { length: 700, from: EMPTY },
      { length: 1000, from: at(12) },
    ],
    12,
    22,
  ],
  ["64 bits", [{ length: 1000, from: at(5) }], 5, 15, true],
  [
    "an empty part of 64 bits",
    [
      { length: 500, from: EMPTY },
      { length: 1000, from: at(13) },
    ],
    13,
    23,
    true,
  ],
];

async function framesOf(stream: FrameStream): Promise<RgbFrame[]> {
  return (await collectFrames("a.mp4", stream, new Picks())).frames as RgbFrame[];
}

/** Reads a file by the native codecs. */
async function natively(path: string, start?: number): Promise<RgbFrame[]> {
  const picks = new Picks({ start });
  using video = await openVideo(path, picks);
  return (await collectFrames("a.mp4", video, picks)).frames as RgbFrame[];
}

function assertClose(made: readonly RgbFrame[], wanted: readonly RgbFrame[], most = 1): void {
  assert.equal(made.length, wanted.length);
  const sizeOf = ({ width, height }: RgbFrame) => [width, height];
  for (const [k, frame] of made.entries()) {
    assert.deepEqual(sizeOf(frame), sizeOf(wanted[k]!));
    const { worst } = difference(frame, wanted[k]!);
    assert.ok(worst <= most, `frame ${k} is ${worst} levels off`);
  }
}

let whole: Promise<RgbFrame[]> | undefined;
const wholeVideo = () => whole ??= natively(fixture("bframes.mp4"));

for (const [what, edits, from, to, isWide] of SHOWN) {
  Deno.test(`readClip() reads an MP4 whose edit list has ${what}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.mp4");
      await Deno.writeFile(path, withEdits(WHOLE, editList(edits, isWide)));
      const wanted = (await wholeVideo()).slice(from, to);
      assertClose(await natively(path), wanted, 0);
      if (to - from > 10) assertClose(await natively(path, 10), wanted.slice(10), 0);
      if (!HAS_FFMPEG) return;
      assertClose(await framesOf((await openWithFfmpeg(path))!), wanted);
    }));
}

/** Left to ffmpeg, whose numbers of frames these are. */
const COMPLEX: [what: string, edits: Edit[], frames: number][] = [
  ["two parts", [{ length: 300, from: at(0) }, { length: 500, from: at(12) }], 8],
  ["parts that touch", [{ length: 1200, from: at(0) }, { length: 1800, from: at(12) }], 30],
  ["a part twice", [{ length: 1200, from: at(0) }, { length: 1200, from: at(0) }], 24],
  ["parts in another order", [{ length: 600, from: at(24) }, { length: 1200, from: at(0) }], 18],
  ["double speed", [{ length: 1500, from: at(0), rate: 2 }], 15],
  ["half the speed", [{ length: 6000, from: at(0), rate: 0.5 }], 30],
  ["a picture that stays", [{ length: 1000, from: at(0), rate: 0 }], 10],
  ["an empty part within", [
    { length: 1000, from: at(0) },
    { length: 500, from: EMPTY },
    { length: 1000, from: at(12) },
  ], 23],
  ["an empty part at the end", [{ length: 1000, from: at(0) }, { length: 500, from: EMPTY }], 13],
];
for (const [what, edits, frames] of COMPLEX) {
  Deno.test(`readClip() leaves an edit list with ${what} to ffmpeg`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.mp4");
      await Deno.writeFile(path, withEdits(WHOLE, editList(edits)));
      await assert.rejects(natively(path), /its edit list is not a single part/);
      if (HAS_FFMPEG) assert.equal((await readClip(path)).frames.length, frames);
    }));
}

Deno.test("readClip() refuses an edit list that shows nothing", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.mp4");
    await Deno.writeFile(path, withEdits(WHOLE, editList([{ length: 500, from: EMPTY }])));
    await assert.rejects(readClip(path), /a\.mp4": its edit list is not a single part/);
  }));

/** Where the pixel at (x, y) of the picture is seen, in a picture of w x h. */
type Seen = (x: number, y: number, w: number, h: number) => [number, number];
const MATRICES: [what: string, matrix: [number, number, number, number], seen: Seen][] = [
  ["as it is", [1, 0, 0, 1], (x, y) => [x, y]],
  ["turned by 90 degrees", [0, 1, -1, 0], (x, y, _, h) => [h - 1 - y, x]],
  ["turned by 180 degrees", [-1, 0, 0, -1], (x, y, w, h) => [w - 1 - x, h - 1 - y]],
  ["turned by 270 degrees", [0, -1, 1, 0], (x, y, w) => [y, w - 1 - x]],
  ["mirrored left to right", [-1, 0, 0, 1], (x, y, w) => [w - 1 - x, y]],
  ["mirrored upside down", [1, 0, 0, -1], (x, y, _, h) => [x, h - 1 - y]],
  ["mirrored along its diagonal", [0, 1, 1, 0], (x, y) => [y, x]],
  ["mirrored along the other one", [0, -1, -1, 0], (x, y, w, h) => [h - 1 - y, w - 1 - x]],
  ["enlarged", [2, 0, 0, 2], (x, y) => [x, y]],
  ["half as wide", [0.5, 0, 0, 1], (x, y) => [x, y]],
  ["gone", [0, 0, 0, 0], (x, y) => [x, y]],
];

function moved({ width, height, data }: RgbFrame, seen: Seen): RgbFrame {
  const [right, bottom] = seen(width - 1, height - 1, width, height);
  const [left, top] = seen(0, 0, width, height);
  const size = { width: Math.max(left, right) + 1, height: Math.max(top, bottom) + 1 };
  const made = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [toX, toY] = seen(x, y, width, height);
      const from = 3 * (y * width + x);
      made.set(data.subarray(from, from + 3), 3 * (toY * size.width + toX));
    }
  }
  return { ...size, data: made };
}

for (const [what, matrix, seen] of MATRICES) {
  Deno.test(`readClip() shows an MP4 that is ${what}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.mp4");
      await Deno.writeFile(path, withMatrix(WHOLE, matrix));
      const wanted = (await wholeVideo()).map((frame) => moved(frame, seen));
      assertClose(await natively(path), wanted, 0);
      if (HAS_FFMPEG) assertClose(await framesOf((await openWithFfmpeg(path))!), wanted);
    }));
}
