import assert from "node:assert/strict";
import { join as pathOf } from "node:path";
import { readContainerTags } from "../../media/container_tags.ts";
import { readMetadata } from "../../media/metadata.ts";
import { Picks } from "../../media/picks.ts";
import { openVideo } from "../../media/video_reader.ts";
import { fixture } from "./support/expected.ts";
import { ffmpeg, HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";
import { box, join, u32, within } from "./support/mp4_boxes.ts";

const latin = (letters: string) => Uint8Array.from(letters, (c) => c.charCodeAt(0));
const TYPE = box("ftyp", u32(0x69736f6d, 512));
const inMemory = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (start: number, end: number) => bytes.slice(start, end),
});

/** Tags as the demuxer finds them. */
async function byDemuxer(path: string): Promise<Readonly<Record<string, string>>> {
  using video = await openVideo(path, new Picks());
  return video.metadata!;
}

const FILES = [...Deno.readDirSync(fixture("."))].map(({ name }) => name)
  .filter((name) => /\.(mp4|mov|webm|mkv)$/.test(name)).sort();
for (const name of FILES) {
  Deno.test(`readMetadata() finds the tags in ${name} that the demuxer finds`, async () => {
    let wanted;
    try {
      wanted = await byDemuxer(fixture(name));
    } catch {
      return; // an unknown codec
    }
    const { title: _, ...found } = await readMetadata(fixture(name));
    assert.deepEqual(found, { ...wanted });
  });
}

// ffmpeg writes these; its own `encoder` and the like come besides.
const WRITTEN: [name: string, options: readonly string[], codec: string][] = [
  ["iTunes.mp4", [], "libx264"],
  ["mdta.mp4", ["-movflags", "use_metadata_tags"], "libx264"],
  ["faststart.mp4", ["-movflags", "use_metadata_tags+faststart"], "libx264"],
  ["fragmented.mp4", ["-movflags", "frag_keyframe+empty_moov+use_metadata_tags"], "libx264"],
  ["quicktime.mov", [], "libx264"],
  ["mdta.mov", ["-movflags", "use_metadata_tags"], "libx264"],
  ["tags.webm", [], "libvpx"],
  ["tags.mkv", [], "libvpx"],
  ["live.mkv", ["-live", "1"], "libvpx"],
  ["cluster.webm", ["-cluster_time_limit", "100", "-cues_to_front", "1"], "libvpx"],
];
for (const [name, options, codec] of WRITTEN) {
  Deno.test(`readMetadata() finds the tags that ffmpeg writes into ${name}`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const path = pathOf(folder, name);
      const tags = ["-metadata", "title=a maze é", "-metadata", "comment=left, right"];
      const source = ["-f", "lavfi", "-i", "testsrc=s=32x32:d=1:r=10", "-pix_fmt", "yuv420p"];
      await ffmpeg(["-v", "error", ...source, "-c:v", codec, ...tags, ...options, path]);
      const found = await readMetadata(path);
      assert.equal(found.title, "a maze é");
      assert.equal(found.comment, "left, right");
      assert.deepEqual(found, { title: "a maze é", ...await byDemuxer(path) });
    }));
}

const meta = (...boxes: readonly Uint8Array[]) =>
  within(["moov", "udta", "meta"], join(u32(0), ...boxes));
const value = (type: Uint8Array, text: string) =>
  join(u32(24 + text.length), type, box("data", u32(1, 0), latin(text)));
const keys = (...names: readonly string[]) =>
  box("keys", u32(0, names.length), ...names.map((name) => box("mdta", latin(name))));

const ODD: [what: string, boxes: Uint8Array, tags: Record<string, string>][] = [
  [
    "the first of equal names",
    meta(keys("a", "a"), box("ilst", value(u32(1), "x"), value(u32(2), "y"))),
    { a: "x" },
  ],
  [
    "a name that objects have",
    meta(keys("__proto__"), box("ilst", value(u32(1), "x"))),
    JSON.parse('{"__proto__":"x"}'),
  ],
  ["a number without a key", meta(keys("a"), box("ilst", value(u32(7), "x"))), {
    "\0\0\0\x07": "x",
  }],
  ["values before keys", meta(box("ilst", value(u32(1), "x")), keys("a")), { "\0\0\0\x01": "x" }],
  ["no keys", meta(box("ilst", value(latin("\xa9nam"), "x"))), { "\xa9nam": "x", title: "x" }],
  ["an empty value", meta(keys("a"), box("ilst", value(u32(1), ""))), { a: "" }],
  ["no value", meta(keys("a"), box("ilst", box("\0\0\0\x01"))), {}],
  ["a value cut off", meta(keys("a"), box("ilst", box("\0\0\0\x01", box("data", u32(1))))), {}],
  ["numbers", meta(keys("a"), box("ilst", box("\0\0\0\x01", box("data", u32(21, 0, 5))))), {}],
  [
    "text longer than its box",
    within(["moov", "udta"], box("\xa9cmt", u32(0xffff0000), latin("x"))),
    { "\xa9cmt": "x", comment: "x" },
  ],
  [
    "a moov in a moov",
    within(["moov", "moov", "udta"], box("\xa9cmt", u32(0x10000), latin("x"))),
    {},
  ],
  ["nothing", new Uint8Array(), {}],
];
for (const [what, boxes, tags] of ODD) {
  Deno.test(`readContainerTags() reads an MP4 with ${what}`, () => {
    assert.deepEqual(readContainerTags(inMemory(join(TYPE, boxes))), tags);
  });
}

const EBML = "1a45dfa380"; // an empty header
const element = (id: string, content: string) =>
  `${id}01${(content.length / 2).toString(16).padStart(14, "0")}${content}`;
const hexOf = (text: string) => latin(text).toHex();
const tag = (...parts: string[]) =>
  element("18538067", element("1254c367", element("7373", element("67c8", parts.join("")))));
const [A, X] = [element("45a3", hexOf("a")), element("4487", hexOf("x"))];

const MATROSKAS: [what: string, hex: string, tags: Record<string, string>][] = [
  ["a tag", tag(A, X), { a: "x" }],
  ["two values", tag(A, X, element("4487", hexOf("y"))), { a: "x" }],
  ["a value before its name", tag(X, A), {}],
  ["a value without a name", tag(A) + tag(X), {}],
  ["a comment", tag(element("45a3", hexOf("COMMENT")), X), { COMMENT: "x", comment: "x" }],
  ["a tag of a track", tag(element("63c0", element("63c5", "05")), A, X), {}],
  ["a tag of no track", tag(element("63c0", element("63c5", "00")), A, X), { a: "x" }],
  ["unknown sizes all the way", `18538067ff1254c367ff7373ff67c8ff${A}${X}`, { a: "x" }],
  ["a cluster of unknown size before", `18538067ff1f43b675ffa38100${tag(A, X).slice(24)}`, {
    a: "x",
  }],
  ["a segment that announces too much", `1853806701ffffffffffff00${tag(A, X).slice(24)}`, {
    a: "x",
  }],
  ["a size of nine bytes", "1853806700", {}],
  ["an id of five bytes", "0853806780", {}],
  ["half an element", "185380", {}],
  ["a title", element("18538067", element("1549a966", element("7ba9", hexOf("t\0\0")))), {
    title: "t",
  }],
];
for (const [what, hex, tags] of MATROSKAS) {
  Deno.test(`readContainerTags() reads a Matroska file with ${what}`, () => {
    assert.deepEqual(readContainerTags(inMemory(Uint8Array.fromHex(EBML + hex))), tags);
  });
}

Deno.test("readContainerTags() refuses tags that are too long", () => {
  const long = tag(A, element("4487", "00".repeat(2 ** 24 + 1)));
  assert.throws(() => readContainerTags(inMemory(Uint8Array.fromHex(EBML + long))), /too long/);
});
