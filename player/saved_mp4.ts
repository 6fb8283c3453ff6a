import { BufferTarget, Mp4OutputFormat, Output, VideoSample, VideoSampleSource } from "mediabunny";
import type { RgbFrame } from "../media/frames.ts";
import { PlayerError } from "./download.ts";

/** In the order of how many players know them. */
const CODECS = ["avc", "vp9", "av1"] as const;
const BITRATE = 4e6;

/**
 * Frames as an MP4, by the browser's own encoder.
 * @throws {PlayerError} it has none
 */
export async function savedMp4(
  frames: readonly RgbFrame[],
  fps: number,
): Promise<Uint8Array<ArrayBuffer>> {
  for (const codec of CODECS) {
    const made = await encoded(codec, frames, fps).catch(() => undefined);
    if (made) return made;
  }
  throw new PlayerError("This browser has no video encoder: share a GIF instead.");
}

async function encoded(
  codec: typeof CODECS[number],
  frames: readonly RgbFrame[],
  fps: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: "in-memory" }), target });
  const source = new VideoSampleSource({ codec, bitrate: BITRATE });
  output.addVideoTrack(source, { frameRate: fps });
  await output.start();
  for (const [i, frame] of frames.entries()) {
    const sample = new VideoSample(withAlpha(frame), {
      format: "RGBX",
      codedWidth: frame.width,
      codedHeight: frame.height,
      timestamp: i / fps,
      duration: 1 / fps,
    });
    await source.add(sample);
    sample.close();
  }
  await output.finalize();
  return new Uint8Array(target.buffer!);
}

function withAlpha({ data }: RgbFrame): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(data.length / 3 * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    pixels.set(data.subarray(from, from + 3), to);
  }
  return pixels;
}
