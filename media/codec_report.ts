import { reasonOf } from "./errors.ts";
import { ffmpegVersion } from "./ffmpeg_program.ts";
import type { RgbFrame } from "./frames.ts";
import { AddonDecoder } from "./video_decoder.ts";
import { AddonEncoder, type VideoCodec } from "./video_encoder.ts";
import { webCodecsProblem } from "./webcodecs.ts";

/** Whether one codec can encode and decode, as tried with a picture. */
export interface CodecState {
  /** Which codec. */
  readonly codec: VideoCodec;
  /** Why it does not work, if so. */
  readonly problem?: string;
}

/** What this machine can encode and decode. */
export interface CodecReport {
  /** Why the native codecs cannot be used, if so. */
  readonly addon?: string;
  /** The native codecs; empty if they cannot be used. */
  readonly codecs: readonly CodecState[];
  /** Version line of the system's ffmpeg; absent if there is none. */
  readonly ffmpeg?: string;
  /** What an MP4 is written with. */
  readonly writer: "addon" | "ffmpeg" | "none";
}

const CODECS: readonly VideoCodec[] = ["avc", "hevc", "vp9", "av1"];
const SIDE = 64;

/** Tries every codec on a small picture, and looks for ffmpeg. */
export async function reportCodecs(): Promise<CodecReport> {
  const addon = webCodecsProblem();
  const ffmpeg = await ffmpegVersion();
  const codecs: CodecState[] = [];
  // the addon's promises do not keep the event loop alive
  const alive = setInterval(() => {}, 1000);
  try {
    if (!addon) {
      for (const codec of CODECS) codecs.push({ codec, problem: await tryCodec(codec) });
    }
  } finally {
    clearInterval(alive);
  }
  return { addon, codecs, ffmpeg, writer: addon ? ffmpeg ? "ffmpeg" : "none" : "addon" };
}

async function tryCodec(codec: VideoCodec): Promise<string | undefined> {
  try {
    const encoder = new AddonEncoder({ codec, width: SIDE, height: SIDE, fps: 8, quality: 80 });
    const packets = [...await encoder.encode(grey(100)), ...await encoder.finish()];
    using decoder = new AddonDecoder(encoder.decoderConfig, {});
    let level: number | undefined;
    const see = async (frames: ReturnType<AddonDecoder["finish"]>) => {
      for await (const frame of frames) level = (await frame.toRgb()).data[0];
    };
    for (const { key, data } of packets) {
      await see(decoder.decode({ type: key ? "key" : "delta", data }));
    }
    await see(decoder.finish());
    const right = level !== undefined && Math.abs(level - 100) <= 4;
    return right ? undefined : `a grey of 100 comes back as ${level ?? "nothing"}`;
  } catch (error) {
    return reasonOf(error);
  }
}

function grey(level: number): RgbFrame {
  return { width: SIDE, height: SIDE, data: new Uint8Array(3 * SIDE * SIDE).fill(level) };
}
