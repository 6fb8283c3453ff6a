// Frames as a video. Plain JavaScript, so that far play can give it to its page as it is.
import { BufferTarget, Mp4OutputFormat, Output, VideoSample, VideoSampleSource } from "mediabunny";

/** In the order of how many players know them. */
const CODECS = /** @type {const} */ (["avc", "vp9", "av1"]);
const BITRATE = 4e6;

/**
 * Frames as an MP4, by the browser's own encoder.
 * @param {readonly { width: number, height: number, data: Uint8Array | Uint8ClampedArray }[]} frames
 *   RGBA
 * @param {number} fps frames per second
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {Error} it has none
 */
export async function savedMp4(frames, fps) {
  for (const codec of CODECS) {
    const made = await encoded(codec, frames, fps).catch(() => undefined);
    if (made) return made;
  }
  throw new Error("This browser cannot encode videos here: share a GIF instead.");
}

async function encoded(codec, frames, fps) {
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: "in-memory" }), target });
  const source = new VideoSampleSource({ codec, bitrate: BITRATE });
  output.addVideoTrack(source, { frameRate: fps });
  await output.start();
  for (const [i, { width, height, data }] of frames.entries()) {
    const size = { codedWidth: width, codedHeight: height };
    const time = { timestamp: i / fps, duration: 1 / fps };
    const sample = new VideoSample(data, { format: "RGBX", ...size, ...time });
    await source.add(sample);
    sample.close();
  }
  await output.finalize();
  return new Uint8Array(target.buffer);
}
