import { join } from "node:path";
import { crc32 } from "node:zlib";
import { viewOf } from "../files/bytes.ts";
import { MOST_PIXELS } from "../media/budget.ts";
import { explain, VideoFile } from "../media/demux.ts";
import { MediaError } from "../media/errors.ts";
import type { LazyFrame } from "../media/frame_stream.ts";
import type { FloatFrame, RgbFrame } from "../media/frames.ts";
import { openGif, readGifComments } from "../media/gif_reader.ts";
import { decodeImage, imageSize, type ImageType, readPngText } from "../media/image_reader.ts";
import { readVideoTags } from "../media/video_reader.ts";
import { openY4m } from "../media/y4m.ts";
import type { Target } from "./fuzz.ts";
import { scratchFolder } from "./fuzz_child.ts";
import { hold, type Mutator } from "./fuzz_mutator.ts";

const FIXTURES = new URL("../tests/fixtures/media/", import.meta.url);
/**
 * The demuxer is stopped after 20 s without progress, so half of that is a fault. The largest
 * allowed picture takes seconds.
 */
const SLOW_MEDIA_MS = 10_000;
/** Pixels of a GIF that are painted: its budget allows many more. */
const MOST_PAINTED = 2 ** 22;

const MP4_BOXES = [
  ...["ftyp", "moov", "mvhd", "trak", "tkhd", "edts", "elst", "mdia", "mdhd", "hdlr", "minf"],
  ...["vmhd", "dinf", "stbl", "stsd", "stts", "ctts", "stsc", "stsz", "stco", "stss", "avcC"],
  ...["udta", "meta", "keys", "ilst", "mdat", "free"],
];
/** Ids of EBML header, segment, seek head, info, tracks, cluster, blocks, cues, tags. */
const MATROSKA_IDS = [
  ...["\x1a\x45\xdf\xa3", "\x18\x53\x80\x67", "\x11\x4d\x9b\x74", "\x15\x49\xa9\x66"],
  ...["\x16\x54\xae\x6b", "\x1f\x43\xb6\x75", "\x1c\x53\xbb\x6b", "\x12\x54\xc3\x67"],
  ...["\xa3", "\xa0", "\xa1", "\xae", "\xe0", "\xe7", "\xec", "\x53\xab", "\x53\xac", "\x4d\xbb"],
];
const PNG_CHUNKS = ["IHDR", "PLTE", "IDAT", "tEXt", "eXIf", "tRNS", "acTL", "IEND"];
const WEBP_CHUNKS = ["RIFF", "WEBP", "VP8 ", "VP8L", "VP8X", "ALPH", "EXIF", "ANIM"];

const fixture = (name: string) => Deno.readFileSync(new URL(name, FIXTURES));

/** Index, tags and packets of a container, as the thread that reads it does. */
function containerTarget(names: readonly string[], marks: readonly string[]): Target {
  const files = names.map(fixture);
  const path = join(scratchFolder(), "a");
  return {
    slow: SLOW_MEDIA_MS,
    make: (m) => m.fields(m.pick(files), marks),
    read: async (input) => {
      Deno.writeFileSync(path, input);
      readVideoTags(path);
      using file = new VideoFile(path);
      await readPackets(file);
    },
  };
}

async function readPackets(file: VideoFile): Promise<void> {
  const { places, rotation, config } = await file.readIndex();
  hold([0, 90, 180, 270].includes(rotation), "a rotation");
  hold(typeof config.codec === "string", "a codec");
  let packets = 0;
  try {
    for await (const { data } of file.packets()) {
      hold(data.length < 2 ** 20 && packets++ <= places.length, "a packet");
    }
  } catch (error) {
    throw new MediaError(explain(error)); // as the demuxer's thread reports it
  }
}

/** A picture: its pixels, and its size from the header, agree. */
function pictureTarget(type: ImageType, make: (m: Mutator) => Uint8Array): Target {
  return {
    slow: SLOW_MEDIA_MS,
    make,
    read: async (input) => {
      const size = imageSize(input, type);
      if (type === "png") readPngText(input);
      const frame = await decodeImage(input, type);
      holdFrame(frame);
      hold(frame.width === size.width && frame.height === size.height, "another size");
    },
  };
}

function holdFrame({ width, height, data }: RgbFrame | FloatFrame): void {
  hold(width * height <= MOST_PIXELS && data.length === 3 * width * height, "a frame");
}

async function paint(frames: Iterable<LazyFrame> | AsyncIterable<LazyFrame>): Promise<void> {
  let painted = 0;
  for await (const { pixels } of frames) {
    const frame = await pixels();
    holdFrame(frame);
    painted += frame.width * frame.height;
    if (painted > MOST_PAINTED) return;
  }
}

/** Corrects the checksums, so that the code behind them is reached. */
function withChecksums(png: Uint8Array): Uint8Array {
  const view = viewOf(png);
  for (let at = 8; at + 12 <= png.length;) {
    const length = view.getUint32(at);
    if (at + 12 + length > png.length) break;
    view.setUint32(at + 8 + length, crc32(png.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
  return png;
}

function pngTarget(): Target {
  const kinds: Record<string, { readonly png: string }> = JSON.parse(
    Deno.readTextFileSync(new URL("png_kinds.json", FIXTURES)),
  );
  const files = [
    ...["alpha", "deep", "grey", "one_bit", "palette", "still_1"].map((n) => fixture(`${n}.png`)),
    ...Object.values(kinds).map(({ png }) => Uint8Array.fromBase64(png)),
  ];
  return pictureTarget("png", (m) => {
    const bytes = m.fields(m.pick(files), PNG_CHUNKS);
    return m.chance(0.9) ? withChecksums(bytes) : bytes;
  });
}

function webpTarget(): Target {
  const files = ["lossless.webp", "lossy.webp"].map(fixture);
  return pictureTarget("webp", (m) => m.fields(m.pick(files), WEBP_CHUNKS));
}

function jpegTarget(): Target {
  const files = ["still_420.jpg"].map(fixture);
  return pictureTarget("jpeg", (m) => m.fields(m.pick(files), ["\xff\xc0", "\xff\xe1", "Exif"]));
}

function gifTarget(): Target {
  // mostly the small one: unpacking takes the time
  const [large, small] = ["animated.gif", "small.gif"].map(fixture);
  return {
    slow: SLOW_MEDIA_MS,
    make: (m) =>
      m.fields(m.chance(0.1) ? large! : small!, ["GIF89a", "\x21\xf9", "\x21\xfe", "\x2c"]),
    read: async (input) => {
      readGifComments(input);
      await paint(openGif(input, "memory").frames);
    },
  };
}

function y4mTarget(): Target {
  const names = ["gray", "yuv420p", "yuv420p10le", "yuv422p", "yuv444p"];
  const files = names.map((name) => fixture(`${name}.y4m`));
  return {
    slow: SLOW_MEDIA_MS,
    make: (m) => m.fields(m.pick(files), [" W", " H", " F", " C", "FRAME", "\n"]),
    read: async (input) => {
      await paint((await openY4m(ReadableStream.from([input]), "memory")).frames);
    },
  };
}

const MP4S = ["bframes.mp4", "av1.mp4", "rotated_90.mp4", "vfr.mp4", "bt709.mov", "mpeg4.mp4"];

/** The small ones twice: after damage the demuxer searches the rest of the file. */
const WEBMS = ["vp8.webm", "odd.webm", "vp8.webm", "odd.webm", "ten_bit.mkv"];

/** Readers of videos and pictures, by name. */
export const MEDIA_TARGETS: Readonly<Record<string, () => Target>> = {
  mp4: () => containerTarget(MP4S, MP4_BOXES),
  webm: () => containerTarget(WEBMS, MATROSKA_IDS),
  png: pngTarget,
  webp: webpTarget,
  jpeg: jpegTarget,
  gif: gifTarget,
  y4m: y4mTarget,
};
