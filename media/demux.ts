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
import { GuardedFile } from "./guarded_source.ts";
import { checkMp4Tables, type EditList } from "./mp4_limits.ts";
import type { ColourTags, DecoderConfig } from "./webcodecs.ts";

/** Seconds that sums of times may be off by. */
const ROUNDING = 1e-6;

/** Place of a compressed picture: when it is shown, and whether decoding can begin there. */
export interface PacketPlace {
  readonly timestamp: number;
  readonly duration: number;
  readonly isKey: boolean;
}

/** A compressed picture, to be decoded. */
export interface Packet {
  readonly type: "key" | "delta";
  readonly data: Uint8Array;
}

/** The index of a video file as plain data, which a worker can send. */
export interface VideoIndex {
  readonly config: DecoderConfig;
  readonly tags: ColourTags;
  /** In the order of the file, in seconds from the time that the edit list shows first. */
  readonly places: readonly PacketPlace[];
  /** The edit list cuts off frames at this time or later. */
  readonly end: number;
  readonly isCutOff: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** Degrees clockwise, after mirroring. */
  readonly rotation: number;
  readonly isMirrored: boolean;
  readonly isHdr: boolean;
}

/** An open MP4, MOV, WebM or Matroska file. */
export class VideoFile implements Disposable {
  readonly #file: GuardedFile;
  readonly #input: Input;
  #track: InputVideoTrack | undefined;
  /** When the edit list begins to show pictures, in seconds. */
  #start = 0;

  /** @throws {MediaError} without the file's name, when it cannot be opened */
  constructor(path: string, onProgress?: () => void) {
    Logging.level = LogLevel.Silent; // Problems are reported by our own errors.
    this.#file = new GuardedFile(path, onProgress);
    const formats = [MP4, QTFF, WEBM, MATROSKA];
    this.#input = new Input({ source: this.#file.source, formats });
  }

  /**
   * Reads the index.
   *
   * @throws {MediaError} without the file's name, when it holds no video or is damaged
   */
  async readIndex(): Promise<VideoIndex> {
    return await explained(async () => {
      const edits = checkMp4Tables(this.#file);
      const track = await this.#input.getPrimaryVideoTrack();
      if (!track) throw new MediaError(await this.#whyNoVideo());
      this.#track = track;
      const config = await track.getDecoderConfig() as DecoderConfig | null;
      if (!config) throw new UnsupportedMediaError("its codec is unknown");
      const { start, end } = shownPart(edits.get(track.id));
      this.#start = start;
      const places = await this.#listPackets(track);
      return {
        config,
        places: places.map((place) => ({ ...place, timestamp: place.timestamp - start })),
        tags: { ...await track.getColorSpace() } as ColourTags,
        end: end - start,
        isCutOff: await endsEarly(this.#input, track, places),
        metadata: textTags(await this.#input.getMetadataTags()),
        ...orientationOf(await track.getTransformationMatrix()),
        isHdr: isHdr(await track.getColorSpace()),
      };
    });
  }

  /** Compressed pictures in the order of the file, from the key picture shown at `from` on. */
  async *packets(from?: number): AsyncGenerator<Packet> {
    const sink = new EncodedPacketSink(this.#track!);
    const time = from === undefined ? undefined : from + this.#start + ROUNDING;
    const first = time === undefined ? undefined : await sink.getKeyPacket(time);
    for await (const { type, data } of sink.packets(first ?? undefined)) {
      this.#file.progress();
      yield { type, data };
    }
  }

  [Symbol.dispose](): void {
    this.#input.dispose();
  }

  /** An MP4 that is cut off before its index has no tracks at all. */
  async #whyNoVideo(): Promise<string> {
    const tracks = await this.#input.getTracks();
    return tracks.length > 0 ? "it contains no video" : "it contains no video, or it is cut off";
  }

  /** All packets in the order of the file, without their data; up to where it is damaged. */
  async #listPackets(track: InputVideoTrack): Promise<PacketPlace[]> {
    const places: PacketPlace[] = [];
    const sink = new EncodedPacketSink(track);
    try {
      for await (const packet of sink.packets(undefined, undefined, { metadataOnly: true })) {
        const { timestamp, duration, type } = packet;
        places.push({ timestamp, duration, isKey: type === "key" });
        this.#file.progress();
        if (places.length > this.#file.size) throw new MediaError("it is damaged");
      }
    } catch (error) {
      if (places.length === 0) throw error;
    }
    return places;
  }
}

async function explained<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof MediaError) throw error;
    const Kind = isUnknownFormat(error) ? UnsupportedMediaError : MediaError;
    throw new Kind(explain(error));
  }
}

function isUnknownFormat(error: unknown): boolean {
  return /unrecognizable format/.test(reasonOf(error));
}

/** Says in our words what the demuxer means. */
export function explain(error: unknown): string {
  if (error instanceof MediaError) return error.message;
  const reason = reasonOf(error).replace(/\.$/, "");
  if (isUnknownFormat(error)) {
    return "it is not a video, or its format is unknown";
  }
  const isTheirs = /^Assertion failed|internal error/.test(reason) || error instanceof RangeError;
  return isTheirs ? "it is damaged" : `it is damaged: ${reason}`;
}

/**
 * When the only edit begins and ends.
 *
 * @throws {UnsupportedMediaError} for lists that repeat, reorder or slow parts of the video
 */
function shownPart(edits: EditList | undefined): Pick<EditList, "start" | "end"> {
  if (!edits) return { start: 0, end: Infinity };
  if (edits.isComplex) throw new UnsupportedMediaError("its edit list is not a single part");
  return edits;
}

/** Whether the last packet of the index, or the last part of the picture's duration, is missing. */
async function endsEarly(
  input: Input,
  track: InputVideoTrack,
  places: readonly PacketPlace[],
): Promise<boolean> {
  const last = places.at(-1);
  const announced = await track.getDurationFromMetadata() ?? 0;
  if (!last) return announced > 0;
  const end = places.reduce((most, { timestamp, duration }) => {
    return Math.max(most, timestamp + duration);
  }, 0);
  const isShort = end < announced - 2 * announced / places.length - 0.01;
  if (isShort && !await othersGoOn(input, track, announced)) return true;
  try {
    const found = await new EncodedPacketSink(track).getPacket(last.timestamp);
    return found?.timestamp !== last.timestamp;
  } catch {
    return true;
  }
}

/** Matroska announces one duration for all tracks: sound may outlast the picture. */
async function othersGoOn(
  input: Input,
  track: InputVideoTrack,
  announced: number,
): Promise<boolean> {
  for (const other of await input.getTracks()) {
    if (other.id === track.id) continue;
    try {
      // The last packets before the end of a cut file lie before `announced` in every track.
      if (await other.computeDuration() >= announced - 0.25) return true;
    } catch {
      // A track that cannot be read proves nothing.
    }
  }
  return false;
}

/** A display matrix as a mirroring (left to right) and a turn that follows it, as in EXIF. */
function orientationOf(matrix: readonly number[]): { rotation: number; isMirrored: boolean } {
  const [a = 1, b = 0, , c = 0, d = 1] = matrix;
  const isMirrored = a * d - b * c < 0;
  const [x, y] = isMirrored ? [-a, -b] : [a, b];
  const quarter = Math.round(Math.atan2(y, x) / (Math.PI / 2));
  return { rotation: (quarter * 90 + 360) % 360, isMirrored };
}

/** Wide gamuts alone are not HDR: the transfer decides. */
function isHdr({ transfer }: { readonly transfer?: string | null }): boolean {
  return transfer === "pq" || transfer === "hlg";
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
