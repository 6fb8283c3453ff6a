import { MOST_PIXELS } from "./budget.ts";
import { ByteQueue } from "./byte_queue.ts";
import { yuvToRgb } from "./color.ts";
import { MediaError } from "./errors.ts";
import {
  ffmpegFailure,
  ffmpegVersion,
  inputOptions,
  keepFramesOption,
  startFfmpeg,
} from "./ffmpeg_program.ts";
import { type PictureFormat, type PlanesToRgb, probeVideo } from "./ffmpeg_probe.ts";
import type { FrameStream, LazyFrame } from "./frame_stream.ts";
import { pictureOf, planesOf } from "./y4m.ts";

/** Swscale is off by up to 3 levels without; chroma is left unfiltered, as `yuvToRgb` leaves it. */
const EXACT_COLOURS = "accurate_rnd+full_chroma_int+full_chroma_inp+neighbor";

/** Milliseconds without output after which ffmpeg is killed. */
const PATIENCE = 60_000;

/**
 * Opens files that the native codecs cannot read with the system's ffmpeg. Every frame of the file
 * comes once.
 *
 * @param picture FFmpeg's name of a picture's format; such files are not turned
 * @returns undefined if there is no ffmpeg
 */
export async function openWithFfmpeg(
  path: string,
  picture?: PictureFormat,
): Promise<FrameStream | undefined> {
  const version = await ffmpegVersion();
  if (!version) return undefined;
  const warnings: string[] = [];
  const { planes, ...facts } = await probeVideo(path, picture);
  const turned = planes || picture ? ["-noautorotate"] : [];
  const input = [...turned, ...inputArgs(path, version, picture)];
  const frames = planes
    ? readPlanes(path, input, planes, warnings)
    : readPictures(path, input, warnings);
  return { frames, ...(picture ? {} : facts), lossy: true, warnings };
}

/** Options of the first video of a file, every frame of it once. */
function inputArgs(path: string, version: string, picture?: PictureFormat): string[] {
  const input = ["-max_pixels", String(MOST_PIXELS), ...inputOptions(path, picture)];
  return [...input, "-map", "0:v:0", ...keepFramesOption(version)];
}

/**
 * Frames of a video in its own planes, as `readPlanes` gives them.
 *
 * @returns undefined if there is no ffmpeg
 */
export async function readPlanesWithFfmpeg(
  path: string,
  planes: PlanesToRgb,
  warnings: string[],
): Promise<AsyncIterable<LazyFrame> | undefined> {
  const version = await ffmpegVersion();
  if (!version) return undefined;
  return readPlanes(path, ["-noautorotate", ...inputArgs(path, version)], planes, warnings);
}

/**
 * Planes converted here: libswscale stretches 17 rows of colour over 33 of light, FFmpeg's filter
 * pad overwrites the last colours of odd sides, and its .y4m of more than 8 bits leaves half of
 * such a sample out.
 */
function readPlanes(
  path: string,
  input: readonly string[],
  { layout, format, colour, turn }: PlanesToRgb,
  warnings: string[],
): AsyncGenerator<LazyFrame> {
  const size = `${layout.width}x${layout.height}`;
  const output = ["-f", "rawvideo", "-pix_fmt", format, "-s", size, "pipe:1"];
  return readOutput(path, [...input, ...output], warnings, async function* (pieces) {
    const bytes = new ByteQueue(pieces);
    for (let index = 0;; index++) {
      const data = await bytes.read(planesOf(layout).bytesPerFrame);
      if (!data) return;
      yield { index, pixels: () => turn(yuvToRgb(pictureOf(layout, data), colour)) };
    }
  });
}

function readPictures(
  path: string,
  input: string[],
  warnings: string[],
): AsyncGenerator<LazyFrame> {
  const pixels = ["-sws_flags", EXACT_COLOURS, "-pix_fmt", "rgb24"];
  const output = [...pixels, "-f", "image2pipe", "-c:v", "ppm", "pipe:1"];
  return readOutput(path, [...input, ...output], warnings, parsePictures);
}

/** Runs ffmpeg and parses what it writes. */
async function* readOutput(
  path: string,
  args: string[],
  warnings: string[],
  parse: (pieces: AsyncGenerator<Uint8Array>) => AsyncGenerator<LazyFrame>,
): AsyncGenerator<LazyFrame> {
  const child = startFfmpeg(args, "null");
  const complaints = new Response(child.stderr).text();
  let isStuck = false;
  const pieces = chunksOf(child.stdout, () => {
    isStuck = true;
    child.kill("SIGKILL");
  });
  let isEmpty = true;
  try {
    for await (const frame of parse(pieces)) {
      isEmpty = false;
      yield frame;
    }
    const words = isStuck ? "it makes no progress" : await complaints;
    if (isEmpty) throw ffmpegFailure(words);
    if (words.trim()) warnings.push(`"${path}" is damaged: ${ffmpegFailure(words).message}`);
  } finally {
    // Reading may stop before the end: then ffmpeg has no reader.
    await pieces.return(undefined);
    await complaints;
    await child.status;
  }
}

/** Output of a program; `giveUp` is called if it writes nothing for too long. */
async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  giveUp: () => void,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const timer = setTimeout(giveUp, PATIENCE);
      const { value, done } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

/** Parses PPM pictures, each of which has its own size. */
async function* parsePictures(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<LazyFrame> {
  const bytes = new ByteQueue(pieces);
  for (let index = 0; await bytes.readLine() === "P6"; index++) {
    const [width = 0, height = 0] = (await bytes.readLine() ?? "").split(" ").map(Number);
    await bytes.readLine(); // 255
    const data = await bytes.read(width * height * 3);
    if (!data) return;
    yield { index, pixels: () => ({ width, height, data }) };
  }
}

/** Adds to an error that ffmpeg would help. */
export function adviseFfmpeg(error: MediaError): MediaError {
  return new MediaError(`${error.message}; with ffmpeg installed more can be read`);
}
