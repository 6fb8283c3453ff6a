/**
 * Judges the video that `deno task demo` made, with ffprobe and ffmpeg, and says what failed.
 *
 *     deno run -A tools/check_demo.ts maze.mp4
 */

import { decodeWithFfmpeg, probe } from "../tests/media/support/ffmpeg.ts";

/**
 * What the demo model's own defaults ask for: 12 frames of context and 48 generated ones, at 8 per
 * second, each of 64x64 pixels enlarged four times for viewing.
 */
const WANTED = { width: 256, height: 256, frames: 60, rate: "8/1", seconds: 7.5 };

/** Names of the boxes at the top of an MP4, in order. */
async function boxes(path: string): Promise<string[]> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  const names: string[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    names.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 8)));
    const size = view.getUint32(at);
    at += size === 1 ? Number(view.getBigUint64(at + 8)) : size || bytes.length;
  }
  return names;
}

/** How many frames are pictures (not of one colour), and how many differ from the one before. */
async function decode(path: string): Promise<{ pictures: number; changes: number }> {
  const frames = (await decodeWithFfmpeg(path, WANTED)).map(({ data }) => data);
  const pictures = frames.filter((frame) => {
    const mean = frame.reduce((sum, value) => sum + value, 0) / frame.length;
    return frame.reduce((sum, value) => sum + (value - mean) ** 2, 0) / frame.length > 100;
  });
  const changes = frames.filter((frame, i) =>
    i > 0 && frame.some((value, at) => Math.abs(value - frames[i - 1]![at]!) > 16)
  );
  return { pictures: pictures.length, changes: changes.length };
}

const path = Deno.args[0] ?? "maze.mp4";
const { stream, tags, times } = await probe(path);
const order = await boxes(path);
const { pictures, changes } = await decode(path);
const settings = JSON.parse(tags["far.settings"] ?? "null");
const bt709 = [stream.color_space, stream.color_transfer, stream.color_primaries];

const checks: [string, unknown, unknown][] = [
  ["codec", stream.codec_name, "h264"],
  ["pixel format", stream.pix_fmt, "yuv420p"],
  ["size", `${stream.width}x${stream.height}`, `${WANTED.width}x${WANTED.height}`],
  ["frames", times.length, WANTED.frames],
  ["frame rate", stream.avg_frame_rate, WANTED.rate],
  ["duration", Number(stream.duration), WANTED.seconds],
  ["colour range", stream.color_range, "tv"],
  ["colour tags", bt709.join(" "), "bt709 bt709 bt709"],
  ["moov before mdat", order.indexOf("moov") < order.indexOf("mdat"), true],
  ["settings name the command", settings?.command, "generate"],
  ["most frames show more than a wall", pictures > WANTED.frames * 3 / 4, true],
  ["the world moves", changes > WANTED.frames / 2, true],
];
const failed = checks.filter(([, found, wanted]) => found !== wanted);
for (const [what, found, wanted] of failed) {
  console.log(`${path}: ${what} is ${found}, not ${wanted}`);
}
console.log(`${path}: ${checks.length - failed.length} passed | ${failed.length} failed`);
if (failed.length > 0) Deno.exit(1);
