import {
  EncodedPacketSink,
  Input,
  type InputVideoTrack,
  Logging,
  LogLevel,
  MATROSKA,
  MP4,
  QTFF,
  WEBM,
} from "mediabunny";
import { MediaError, reasonOf, UnsupportedMediaError } from "./errors.ts";
import type { FrameStream, LazyFrame } from "./frame_stream.ts";
import { rotate } from "./frames.ts";
import { guardedSource } from "./guarded_source.ts";
import { checkMp4Tables } from "./mp4_limits.ts";
import type { Picks } from "./picks.ts";
import { AddonDecoder, colourOf, type DecodedFrame } from "./video_decoder.ts";
import type { ColourTags, DecoderConfig } from "./webcodecs.ts";

/** A video file that has been opened. */
export interface VideoStream extends FrameStream, Disposable {
  /** Whether the file ends before its own index says. */
  readonly isCutOff: boolean;
}

/** Place of a compressed picture: when it is shown, and whether decoding can begin there. */
interface PacketPlace {
  readonly timestamp: number;
  readonly duration: number;
  readonly isKey: boolean;
}

/**
 * Opens an MP4, MOV, WebM or Matroska file with the native codecs. Frames come as they are: a
 * variable frame rate is not evened out, and rotation is applied.
 *
 * @param picks decides where decoding begins; the frames keep their places in the file
 * @throws {MediaError} without the file's name, when it is no such file, holds no video, or the
 *   codec is not known
 */
export async function openVideo(path: string, picks: Picks): Promise<VideoStream> {
  Logging.level = LogLevel.Silent; // What cannot be read is told by our own errors.
  await checkMp4Tables(path);
  const input = new Input({
    source: guardedSource(path),
    formats: [MP4, QTFF, WEBM, MATROSKA],
  });
  try {
    const track = await input.getPrimaryVideoTrack();
    if (!track) throw new MediaError(await whyNoVideo(input));
    const config = await track.getDecoderConfig();
    if (!config) throw new UnsupportedMediaError("its codec is not known");
    const places = await listPackets(track);
    const tags = await track.getColorSpace() as ColourTags;
    colourOf(tags, {}); // Refuses colours that the decoder cannot return.
    const warnings: string[] = [];
    const stream = {
      fps: frameRate(places),
      lossy: true,
      metadata: textTags(await input.getMetadataTags()),
      warnings,
      isCutOff: await endsEarly(track, places),
      [Symbol.dispose]: () => input.dispose(),
    };
    if (stream.isCutOff) warnings.push(`"${path}" is cut off: only its beginning can be read`);
    if (await track.hasHighDynamicRange()) {
      warnings.push(`"${path}" has a high dynamic range: its colours will look dull`);
    }
    const onDamage = (index: number) => {
      stream.isCutOff = true;
      warnings.push(`"${path}" is damaged: only its first ${index} frames can be read`);
    };
    const entry = { ...entryPoint(places, picks.start), onDamage };
    const frames = decodeFrames(track, config as DecoderConfig, tags, entry);
    return Object.assign(stream, { frames });
  } catch (error) {
    input.dispose();
    if (error instanceof MediaError) throw error;
    const Kind = isUnknownFormat(error) ? UnsupportedMediaError : MediaError;
    throw new Kind(explain(error));
  }
}

/** An MP4 that is cut off before its index has no tracks at all. */
async function whyNoVideo(input: Input): Promise<string> {
  const tracks = await input.getTracks();
  return tracks.length > 0
    ? "there is no video in it"
    : "there is no video in it, or it is cut off";
}

function isUnknownFormat(error: unknown): boolean {
  return /unrecognizable format/.test(reasonOf(error));
}

/** Says in our words what the demuxer means. */
function explain(error: unknown): string {
  if (error instanceof MediaError) return error.message;
  const reason = reasonOf(error).replace(/\.$/, "");
  if (isUnknownFormat(error)) {
    return "it is not a video, or of a format not known here";
  }
  const isTheirs = /^Assertion failed|internal error/.test(reason);
  return isTheirs ? "it is damaged" : `it is damaged: ${reason}`;
}

/**
 * Reads the text tags of a video file.
 *
 * @throws {MediaError} when it cannot be read
 */
export async function readVideoTags(path: string): Promise<Record<string, string>> {
  const formats = [MP4, QTFF, WEBM, MATROSKA];
  using input = new Input({ source: guardedSource(path), formats });
  try {
    await checkMp4Tables(path);
    return textTags(await input.getMetadataTags());
  } catch (error) {
    throw new MediaError(`Cannot read "${path}": ${explain(error)}`);
  }
}

/**
 * All packets in the order of the file, from its index alone where it has one; up to where it is
 * damaged.
 */
async function listPackets(track: InputVideoTrack): Promise<PacketPlace[]> {
  const places: PacketPlace[] = [];
  const sink = new EncodedPacketSink(track);
  try {
    for await (const packet of sink.packets(undefined, undefined, { metadataOnly: true })) {
      const { timestamp, duration, type } = packet;
      places.push({ timestamp, duration, isKey: type === "key" });
    }
  } catch (error) {
    if (places.length === 0) throw error;
  }
  return places;
}

/** Whether the last packet of the index, or the last part of the announced duration, is missing. */
async function endsEarly(track: InputVideoTrack, places: PacketPlace[]): Promise<boolean> {
  const announced = await track.getDurationFromMetadata() ?? 0;
  const ends = places.map(({ timestamp, duration }) => timestamp + duration);
  const end = ends.reduce((a, b) => Math.max(a, b), 0);
  const last = places.at(-1);
  if (!last) return announced > 0;
  if (end < announced - 2 * announced / places.length - 0.01) return true;
  try {
    const found = await new EncodedPacketSink(track).getPacket(last.timestamp);
    return found?.timestamp !== last.timestamp;
  } catch {
    return true;
  }
}

/** Where decoding begins: how many frames are shown before, and when the first is shown. */
interface EntryPoint {
  readonly frame: number;
  readonly timestamp?: number;
}

/**
 * The last key picture that frame `start` can be decoded from. Only one that splits the video
 * cleanly will do (all before is shown before, all after after): around others a decoder may drop
 * pictures, and counting would go wrong.
 */
function entryPoint(places: PacketPlace[], start: number): EntryPoint {
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
 * Decodes from an entry point on. What cannot be read at the end of the file is left out; damage
 * ends the frames, and is an error only when there were none before.
 */
async function* decodeFrames(
  track: InputVideoTrack,
  config: DecoderConfig,
  tags: ColourTags,
  entry: EntryPoint & { readonly onDamage: (index: number) => void },
): AsyncGenerator<LazyFrame> {
  using decoder = new AddonDecoder(config, tags);
  const rotation = await track.getRotation();
  const sink = new EncodedPacketSink(track);
  const first = entry.timestamp === undefined
    ? undefined
    : await sink.getKeyPacket(entry.timestamp);
  let index = entry.frame;
  const lazy = (decoded: DecodedFrame): LazyFrame => ({
    index: index++,
    pixels: async () => rotate(await decoded.toRgb(), rotation),
  });
  let damage: unknown;
  try {
    for await (const packet of sink.packets(first ?? undefined)) {
      for await (const frame of decoder.decode(packet)) yield lazy(frame);
    }
  } catch (error) {
    damage = error;
  }
  try {
    for await (const frame of decoder.finish()) yield lazy(frame);
  } catch (error) {
    damage ??= error;
  }
  if (damage && index <= 0) throw new MediaError(explain(damage));
  if (damage) entry.onDamage(index);
}

/**
 * Frames a second: of the usual gap between frames where nearly all are alike, else of all. Times
 * may be rounded to milliseconds, so a rate within 0.2% of a whole one, or of 1000/1001 of it, is
 * taken for that.
 */
function frameRate(places: PacketPlace[]): number | undefined {
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

function textTags(tags: Awaited<ReturnType<Input["getMetadataTags"]>>): Record<string, string> {
  const text: Record<string, string> = {};
  for (const [name, value] of Object.entries(tags.raw ?? {})) {
    if (typeof value === "string") text[name] = value;
  }
  if (tags.title) text.title = tags.title;
  if (tags.comment) text.comment = tags.comment;
  return text;
}
