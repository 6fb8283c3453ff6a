import assert from "node:assert/strict";
import { join as pathOf } from "node:path";
import { named, readClip } from "../../media/clip.ts";
import { Demuxer } from "../../media/demuxer.ts";
import { MediaError, StuckMediaError } from "../../media/errors.ts";
import { checkMp4Tables } from "../../media/mp4_limits.ts";
import { openVideo } from "../../media/video_reader.ts";
import { Picks } from "../../media/picks.ts";
import { startFarWith } from "../batch/batch_process.ts";
import { fixture } from "./support/expected.ts";
import { inFolder } from "../support/folder.ts";
import { box, join, slowVideo, u32, within } from "./support/mp4_boxes.ts";

const ALL = 0xffffffff;
const TYPE = box("ftyp", u32(0x69736f6d, 512));
const TABLE = ["moov", "trak", "mdia", "minf", "stbl"];

/** Boxes with a count: the boxes they are in, and the bytes before the count. */
const COUNTS: [type: string, holders: readonly string[], content: Uint8Array][] = [
  ["stts", TABLE, u32(0, ALL, 1, 1)],
  ["ctts", TABLE, u32(0, ALL, 1, 1)],
  ["stsc", TABLE, u32(0, ALL, 1, 1, 1)],
  ["stco", TABLE, u32(0, ALL, 8)],
  ["co64", TABLE, u32(0, ALL, 0, 8)],
  ["stss", TABLE, u32(0, ALL, 1)],
  ["stsd", TABLE, u32(0, ALL)],
  ["stsz", TABLE, u32(0, 0, ALL)],
  ["stsz", TABLE, u32(0, 5, ALL)],
  ["stz2", TABLE, u32(0, 8, ALL)],
  ["elst", ["moov", "trak", "edts"], u32(0, ALL, 0, 0, 0x10000)],
  ["keys", ["moov", "meta"], u32(0, ALL)],
  ["pssh", ["moov"], join(u32(0x01000000, 0, 0, 0, 0), u32(ALL))],
  ["pssh", ["moof"], join(u32(0x01000000, 0, 0, 0, 0), u32(ALL))],
  ["trun", ["moof", "traf"], u32(0, ALL)],
  ["senc", ["moof", "traf"], u32(0, ALL)],
  ["saiz", ["moof", "traf"], join(u32(0), Uint8Array.of(8), u32(ALL))],
  ["saiz", ["moof", "traf"], join(u32(1, 0, 0), Uint8Array.of(8), u32(ALL))],
  ["tfra", ["mfra"], u32(0, 1, 0, ALL)],
  // counts that multiply
  ["stts", TABLE, u32(0, 1, ALL, 1)],
  ["ctts", TABLE, u32(0, 1, ALL, 1)],
  ["stsc", TABLE, u32(0, 1, 1, ALL, 1)],
  ["stsc", TABLE, u32(0, 2, 1, 1, 1, ALL, 1, 1)],
];
// and everywhere else that the demuxer looks
const VIDEO_ENTRY = new Uint8Array(78);
const SOUND_ENTRY = new Uint8Array(28);
const HIDDEN: [where: string, file: (inner: Uint8Array) => Uint8Array][] = [
  ["wave", (inner) => within([...TABLE, "wave"], inner)],
  ["meta of MP4", (inner) => within(["moov", "meta"], join(u32(0), inner))],
  ["meta of QuickTime", (inner) => within(["moov", "meta"], inner)],
  ["an entry of video", (inner) => within([...TABLE, "stsd"], entry("avc1", VIDEO_ENTRY, inner))],
  ["an entry of sound", (inner) => within([...TABLE, "stsd"], entry("mp4a", SOUND_ENTRY, inner))],
];

function entry(type: string, fields: Uint8Array, inner: Uint8Array): Uint8Array {
  return join(u32(0, 1), box(type, fields, inner));
}

/** What `checkMp4Tables` reads of a file. */
const inMemory = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (start: number, end: number) => bytes.slice(start, end),
});
const REFUSED = /: it is damaged: it announces 4294967295 (entries|frames) in /;

for (const [type, holders, content] of COUNTS) {
  Deno.test(`checkMp4Tables() refuses 2^32 entries of ${type} in ${holders.at(-1)}: ${content.subarray(0, 24).toHex()}`, () => {
    const file = join(TYPE, within(holders, box(type, content)));
    assert.throws(() => checkMp4Tables(inMemory(file)), REFUSED);
  });
}

for (const [where, hide] of HIDDEN) {
  Deno.test(`checkMp4Tables() looks into ${where}`, () => {
    const file = join(TYPE, hide(box("stss", u32(0, ALL, 1))));
    assert.throws(() => checkMp4Tables(inMemory(file)), REFUSED);
  });
}

Deno.test("checkMp4Tables() refuses steps that multiply, chunks out of order, too many boxes", () => {
  const video = slowVideo(Deno.readFileSync(fixture("bframes.mp4")), 2 ** 17);
  assert.throws(() => checkMp4Tables(inMemory(video)), /131072 frames in one chunk/);
  const back = within(TABLE, box("stsc", u32(0, 2, 2, 1, 1, 1, 1, 1)));
  assert.throws(() => checkMp4Tables(inMemory(join(TYPE, back))), /"stsc" are out of order/);
  const many = within(TABLE, join(...new Array(110_000).fill(box("free"))));
  assert.throws(() => checkMp4Tables(inMemory(join(TYPE, many))), /too many boxes/);
});

Deno.test("readClip() ends on a WebM of 122 bytes that leads the demuxer back and forth", () =>
  inFolder(async (folder) => {
    // Found by tools/fuzz.ts webm.
    const path = pathOf(folder, "a.webm");
    const bytes = Uint8Array.fromHex(
      "1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878102428581021853806701000000" +
        "0000046b114d9b74ba4dbbab841654ae6b53ac81d84dbb8c53ab841254c36753ac8201254dbb8c53ab841c" +
        "53bb6b53ac820455ec01000000000000590000000000000000000000000000000000",
    );
    await Deno.writeFile(path, bytes);
    await assert.rejects(openVideo(path, new Picks()), /^MediaError: it is damaged/);
    await assert.rejects(readClip(path), /a\.webm": it is damaged/);
  }));

Deno.test("Demuxer gives a file up without patience, and says that its thread may run on", () =>
  inFolder(async (folder) => {
    const path = pathOf(folder, "a.mp4");
    // About a second of counting, which no terminate() stops.
    await Deno.writeFile(path, slowVideo(Deno.readFileSync(fixture("bframes.mp4")), 30_000));
    using demuxer = new Demuxer(-1);
    await assert.rejects(demuxer.readIndex(path), { name: "StuckMediaError" });
    assert.ok(new StuckMediaError("") instanceof MediaError);
  }));

Deno.test("named() keeps the kind of an error that says to end the program", async () => {
  const stuck = () => Promise.reject(new StuckMediaError("it never ends"));
  await assert.rejects(named("a.mp4", stuck), {
    name: "StuckMediaError",
    message: 'Cannot read "a.mp4": it never ends',
  });
});

/** Waits until a process has a file open. */
async function untilOpen(pid: number, path: string): Promise<void> {
  for (;;) {
    const links = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
      } catch {
        return ""; // closed in the meantime
      }
    });
    if (links.includes(path)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const STOPS: [signals: readonly Deno.Signal[], status: number][] = [
  [["SIGTERM"], 143],
  [["SIGINT"], 130],
  [["SIGINT", "SIGINT"], 130],
  [["SIGTERM", "SIGTERM"], 143],
];
for (const [signals, status] of STOPS) {
  Deno.test(
    `far ends on ${signals.join(", ")} while the demuxer is busy with a hostile file`,
    { ignore: Deno.build.os !== "linux" },
    () =>
      inFolder(async (folder) => {
        const path = await Deno.realPath(folder) + "/a.mp4";
        // As slow as the limits allow: its thread would count for half a minute.
        await Deno.writeFile(path, slowVideo(Deno.readFileSync(fixture("bframes.mp4")), 65_535));
        const { child, ended } = startFarWith({ PATH: "" }, "inspect", path);
        await untilOpen(child.pid, path);
        for (const signal of signals) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          try {
            child.kill(signal);
          } catch {
            // it has ended already
          }
        }
        assert.equal((await ended).code, status);
      }),
  );
}
