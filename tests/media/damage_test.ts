import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { MediaError } from "../../media/errors.ts";
import { readMetadata } from "../../media/metadata.ts";
import { fixture } from "./support/expected.ts";
import { Picks } from "../../media/picks.ts";
import { openVideo } from "../../media/video_reader.ts";
import { HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";
import { withoutFfmpeg } from "../support/environment.ts";

/** The same stream of numbers in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** Hides ffmpeg, which this test is not about. */
async function inFolderAlone(test: (folder: string) => Promise<void>): Promise<void> {
  await withoutFfmpeg(() => inFolder(test));
}

const openVideoOf = (path: string) => openVideo(path, new Picks());

const FILES = [
  "bframes.mp4",
  "vp8.webm",
  "ten_bit.mkv",
  "animated.gif",
  "still_1.png",
  "still_420.jpg",
  "lossless.webp",
  "yuv420p.y4m",
];
for (const file of FILES) {
  Deno.test(`readClip() reads a damaged ${file} or gives one line`, () =>
    inFolderAlone(async (folder) => {
      const whole = Deno.readFileSync(fixture(file));
      const next = numbers(file.length);
      const path = join(folder, file);
      for (let round = 0; round < 12; round++) {
        const bytes = whole.slice(0, round % 3 === 0 ? next(whole.length) + 1 : whole.length);
        if (round % 3 > 0) { for (let k = 0; k < 6; k++) bytes[next(bytes.length)] = next(256); }
        await Deno.writeFile(path, bytes);
        for (const read of [readClip, readMetadata]) {
          try {
            await read(path);
          } catch (error) {
            assert.ok(error instanceof MediaError, `round ${round}: ${error}`);
            assert.ok(error.message.startsWith(`Cannot read "${path}": `), error.message);
            assert.doesNotMatch(error.message, /\n|internal error/);
          }
        }
      }
    }));
}

Deno.test("readClip() does not pass a demuxer's call for reports on", () =>
  inFolderAlone(async (folder) => {
    const bytes = Deno.readFileSync(fixture("mpeg4.mp4"));
    const at = Math.floor(0.6 * bytes.length); // in the index, which ends where it says it goes on
    const path = join(folder, "a.mp4");
    await Deno.writeFile(path, bytes.fill(0xff, at, at + 200));
    await assert.rejects(readClip(path), /: it is damaged: it announces \d+ entries in "elst"$/);
  }));

Deno.test(
  "readClip() warns of what ffmpeg complains about, without its places in memory",
  { ignore: !HAS_FFMPEG },
  () =>
    inFolder(async (folder) => {
      const bytes = Deno.readFileSync(fixture("mpeg4.mp4"));
      const path = join(folder, "a.mp4");
      await Deno.writeFile(path, bytes.fill(0xff, 320, 520));
      const { warnings } = await readClip(path);
      assert.match(warnings.join("\n"), /^".*a\.mp4" is damaged: ffmpeg says: [^[\n]+$/);
    }),
);

Deno.test("readClip() does not search a damaged .webm without an end", () =>
  inFolder(async (folder) => {
    // 11 bytes are missing before the last frame; mediabunny 1.61 then looks for an element for
    // ever.
    const whole = Deno.readFileSync(fixture("vp8.webm"));
    const path = join(folder, "a.webm");
    await Deno.writeFile(path, Uint8Array.of(...whole.subarray(0, 1134), ...whole.subarray(1145)));
    const { frames, warnings } = await readClip(path, { count: 4 });
    assert.equal(frames.length, 4);
    assert.deepEqual(warnings, []);
    const all = await readClip(path);
    assert.equal(all.frames.length, 6);
    assert.match(all.warnings.join(), /is damaged: only its first 6 frames can be read/);
  }));

Deno.test("readClip() refuses an MP4 that announces more frames than it has bytes", () =>
  inFolder(async (folder) => {
    const whole = Deno.readFileSync(fixture("bframes.mp4"));
    const text = String.fromCharCode(...whole);
    const path = join(folder, "a.mp4");
    // Count of the first run, or of all samples.
    for (const [table, at] of [["stts", 12], ["ctts", 12], ["stsz", 12]] as const) {
      const bytes = whole.slice();
      bytes.fill(0x7f, text.indexOf(table) + at, text.indexOf(table) + at + 4);
      await Deno.writeFile(path, bytes);
      for (const read of [openVideoOf, readMetadata]) {
        await assert.rejects(read(path), /it announces 21390\d+ frames in 3392 bytes/, table);
      }
    }
  }));

Deno.test("readClip() refuses MP4 tables that announce more entries than they hold", () =>
  inFolder(async (folder) => {
    const whole = Deno.readFileSync(fixture("bframes.mp4"));
    const text = String.fromCharCode(...whole);
    const path = join(folder, "a.mp4");
    for (const table of ["stts", "ctts", "stsc", "stco", "stss", "stsd", "elst"]) {
      const bytes = whole.slice();
      const at = text.indexOf(table) + 8;
      bytes.fill(0xff, at, at + 4);
      await Deno.writeFile(path, bytes);
      for (const read of [openVideoOf, readMetadata]) {
        await assert.rejects(read(path), new RegExp(`4294967295 entries in "${table}"`), table);
      }
    }
  }));

Deno.test("readClip() refuses boxes that nest without an end", () =>
  inFolderAlone(async (folder) => {
    const depth = 200_000;
    const bytes = new Uint8Array(8 * depth);
    const view = new DataView(bytes.buffer);
    for (let k = 0; k < depth; k++) {
      view.setUint32(8 * k, 8 * (depth - k));
      view.setUint32(8 * k + 4, k === 0 ? 0x6d6f6f76 : 0x7472616b); // moov, then trak in trak
    }
    const path = join(folder, "a.mp4");
    await Deno.writeFile(path, bytes);
    await assert.rejects(readClip(path), /it is damaged: its boxes nest too deep/);
  }));
