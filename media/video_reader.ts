import { checkSize } from "./budget.ts";
import { readContainerTags } from "./container_tags.ts";
import { explain, type PacketPlace, type VideoIndex } from "./demux.ts";
import { Demuxer } from "./demuxer.ts";
import { MediaError, StuckMediaError, UnsupportedMediaError } from "./errors.ts";
import { planesFormat, type PlanesToRgb } from "./ffmpeg_probe.ts";
import type { FrameStream, LazyFrame, VideoFacts } from "./frame_stream.ts";
import { mirror, type RgbFrame, rotate } from "./frames.ts";
import { GuardedFile } from "./guarded_source.ts";
import { checkMp4Tables } from "./mp4_limits.ts";
import type { Picks } from "./picks.ts";
import { AddonDecoder, colourOf, type DecodedFrame } from "./video_decoder.ts";

/** An open video file. */
export interface VideoStream extends FrameStream, Disposable {
  /** Whether the file ends earlier than its index says. */
  readonly isCutOff: boolean;
  readonly video: VideoFacts;
  /** Set when a frame was refused because its last colours are missing; another may read them. */
  readonly cutColour?: PlanesToRgb;
}

/**
 * Opens an MP4, MOV, WebM or Matroska file with the native codecs. A variable frame rate is not
 * evened out; mirroring, rotation and edit list are applied.
 *
 * @param picks decides where decoding begins; the frames keep their places in the file
 * @param guessColour repeats colours where the last ones are missing (`DecodedFrame.isColourCut`),
 *   with a warning; such a frame is refused otherwise
 * @throws {MediaError} without the file's name, if it is not such a file, contains no video, or the
 *   codec is unknown
 */
export async function openVideo(
  path: string,
  picks: Picks,
  guessColour = false,
): Promise<VideoStream> {
  using opened = new DisposableStack();
  const demuxer = opened.use(new Demuxer());
  const index = await demuxer.readIndex(path);
  const { config, places, tags, metadata } = index;
  colourOf(tags, {}); // Refuses colours that the decoder cannot return.
  checkSize(config.codedWidth, config.codedHeight);
  const warnings: string[] = [];
  const stream: OpeningStream = {
    fps: frameRate(places),
    lossy: true,
    metadata,
    video: factsOf(index),
    announced: {
      width: config.codedWidth ?? 0,
      height: config.codedHeight ?? 0,
      count: shownOf(places, index.end).length,
      isFloat: false,
    },
    warnings,
    isCutOff: index.isCutOff,
    [Symbol.dispose]: () => demuxer[Symbol.dispose](),
  };
  if (stream.isCutOff) warnings.push(`"${path}" is cut off: only its beginning can be read`);
  if (index.isHdr) {
    warnings.push(`"${path}" has a high dynamic range: its colours will look dull`);
  }
  const entry = {
    ...entryPoint(places, picks.start),
    onDamage(at: number) {
      stream.isCutOff = true;
      warnings.push(`"${path}" is damaged: only its first ${at} frames can be read`);
    },
    onCutColour: (cut: PlanesToRgb) => handleCutColour(path, stream, cut, guessColour),
  };
  opened.move();
  return Object.assign(stream, { frames: decodeFrames(demuxer, index, entry) });
}

/** A stream whose facts are still found out. */
type OpeningStream = Omit<VideoStream, "frames" | "isCutOff" | "cutColour"> & {
  isCutOff: boolean;
  cutColour?: PlanesToRgb;
};

/** Warns once that colours are guessed. @throws {MediaError} if they may not be */
function handleCutColour(
  path: string,
  stream: OpeningStream,
  cut: PlanesToRgb,
  guessColour: boolean,
): void {
  if (!guessColour) {
    stream.cutColour = cut;
    throw new UnsupportedMediaError("the last colours of its odd sides are missing");
  }
  const text = `"${path}" has odd sides: the colours of its last column and row are guessed; ` +
    "with ffmpeg installed they are read";
  if (!stream.warnings.includes(text)) stream.warnings.push(text);
}

/**
 * Reads the text tags of a video file; there are none if its container is unknown.
 *
 * @throws {MediaError} without the file's name, when it is damaged
 */
export function readVideoTags(path: string): Record<string, string> {
  using file = new GuardedFile(path);
  checkMp4Tables(file);
  return readContainerTags(file);
}

function factsOf({ config, places, end }: VideoIndex): VideoFacts {
  const shown = shownOf(places, end);
  const last = shown.reduce((most, { timestamp, duration }) => {
    return Math.max(most, timestamp + duration);
  }, 0);
  const first = shown.reduce((least, { timestamp }) => Math.min(least, timestamp), Infinity);
  const duration = shown.length > 0 ? Math.min(last, end) - first : 0;
  return { codec: config.codec, frames: shown.length, duration };
}

/** The pictures that the edit list keeps. */
function shownOf(places: readonly PacketPlace[], end: number): PacketPlace[] {
  return places.filter(({ timestamp }) => !isHidden(timestamp) && timestamp < end - 1e-6);
}

/** Where decoding begins: the number of frames displayed before it, and its time. */
interface EntryPoint {
  readonly frame: number;
  readonly timestamp?: number;
}

/**
 * The last key picture that frame `start` can be decoded from. It must split the video cleanly
 * (everything before it is also displayed before it): around others a decoder may drop pictures,
 * and counting would be wrong.
 */
function entryPoint(places: readonly PacketPlace[], start: number): EntryPoint {
  const shown = places.map((place) => place.timestamp).sort((a, b) => a - b);
  const hidden = shown.filter(isHidden).length;
  let earliest = Infinity;
  for (let packet = places.length - 1; packet > 0; packet--) {
    const { timestamp, isKey } = places[packet]!;
    const isClean = timestamp < earliest && timestamp === shown[packet];
    if (isKey && isClean && packet - hidden <= start && !isHidden(timestamp)) {
      return { frame: packet - hidden, timestamp };
    }
    earliest = Math.min(earliest, timestamp);
  }
  return { frame: -hidden };
}

/** Whether a picture is only there to decode others from: an edit list cuts it off. */
function isHidden(timestamp: number): boolean {
  return timestamp < -1e-6;
}

/**
 * Decodes from an entry point on. An unreadable end of the file is omitted; damage ends the frames,
 * and is an error only if there were none before.
 */
async function* decodeFrames(
  demuxer: Demuxer,
  { config, tags, places, end, rotation, isMirrored }: VideoIndex,
  entry: EntryPoint & {
    readonly onDamage: (index: number) => void;
    readonly onCutColour: (cut: PlanesToRgb) => void;
  },
): AsyncGenerator<LazyFrame> {
  using decoder = new AddonDecoder(config, tags);
  const count = shownOf(places, end).length;
  let index = entry.frame;
  const turn = (frame: RgbFrame) => rotate(isMirrored ? mirror(frame) : frame, rotation);
  const lazy = (decoded: DecodedFrame): LazyFrame => ({
    index: index++,
    pixels: async () => {
      if (decoded.isColourCut) {
        const { layout, colour } = decoded;
        const format = planesFormat(layout.chroma?.[1] ? "420" : "422", layout.bits);
        entry.onCutColour({ layout, format, colour, turn });
      }
      return turn(await decoded.toRgb());
    },
  });
  let damage: unknown;
  try {
    for await (const packet of demuxer.packets(entry.timestamp)) {
      for await (const frame of decoder.decode(packet)) {
        if (index >= count) return;
        yield lazy(frame);
      }
    }
  } catch (error) {
    if (error instanceof StuckMediaError) throw error;
    damage = error;
  }
  try {
    for await (const frame of decoder.finish()) {
      if (index >= count) return;
      yield lazy(frame);
    }
  } catch (error) {
    damage ??= error;
  }
  if (damage && index <= 0) throw new MediaError(explain(damage));
  if (damage) entry.onDamage(index);
}

/**
 * Frames per second: by the usual gap between frames if nearly all are equal, otherwise by their
 * mean. Times may be rounded to milliseconds, so a rate within 0.2% of a whole one, or of 1000/1001
 * of it, counts as that.
 */
function frameRate(places: readonly PacketPlace[]): number | undefined {
  const shown = places.filter(({ timestamp }) => !isHidden(timestamp));
  const times = shown.map(({ timestamp }) => timestamp).sort((a, b) => a - b);
  const gaps = times.slice(1).map((time, k) => time - times[k]!).sort((a, b) => a - b);
  if (gaps.length === 0) return shown[0]?.duration ? 1 / shown[0].duration : undefined;
  const usual = gaps[gaps.length >> 1]!;
  const alike = gaps.filter((gap) => Math.abs(gap - usual) <= Math.max(0.0015, 0.02 * usual));
  const counted = alike.length >= 0.8 * gaps.length ? alike : gaps;
  const rate = counted.length / counted.reduce((sum, gap) => sum + gap, 0);
  if (!Number.isFinite(rate)) return undefined;
  const whole = Math.round(rate);
  const near = Math.abs(whole - rate) < Math.abs(whole * 1000 / 1001 - rate)
    ? whole
    : whole * 1000 / 1001;
  return Math.abs(near - rate) <= 0.002 * rate ? near : rate;
}
