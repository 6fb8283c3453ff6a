import { MOST_PIXELS } from "./budget.ts";
import { ByteQueue } from "./byte_queue.ts";
import { type YuvColour, yuvToRgb } from "./color.ts";
import { MediaError } from "./errors.ts";
import {
  ffmpegFailure,
  ffmpegVersion,
  inputOptions,
  keepFramesOption,
  startFfmpeg,
} from "./ffmpeg_program.ts";
import type { FrameStream, LazyFrame, VideoFacts } from "./frame_stream.ts";
import type { RgbFrame } from "./frames.ts";
import { pictureOf, type PlaneLayout, planesOf } from "./y4m.ts";

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
  picture?: "jpeg_pipe" | "webp_pipe",
): Promise<FrameStream | undefined> {
  const version = await ffmpegVersion();
  if (!version) return undefined;
  const warnings: string[] = [];
  const input = [
    ...(picture ? ["-noautorotate"] : []),
    ...["-max_pixels", String(MOST_PIXELS)],
    ...inputOptions(path, picture),
  ];
  const frames = readPictures(
    path,
    [...input, "-map", "0:v:0", ...keepFramesOption(version)],
    warnings,
  );
  return { frames, ...(picture ? {} : await probe(path)), lossy: true, warnings };
}

/** Planes of a video, and what makes upright RGB of them. */
export interface PlanesToRgb {
  readonly layout: PlaneLayout;
  readonly colour: YuvColour;
  turn(frame: RgbFrame): RgbFrame;
}

/**
 * Frames of a 4:2:0 or 4:2:2 video in its own planes, converted here: libswscale stretches 17 rows
 * of colour over 33 of light, FFmpeg's filter pad overwrites the last colours of odd sides, and its
 * .y4m of more than 8 bits leaves half of such a sample out.
 *
 * @returns undefined if there is no ffmpeg
 */
export async function readPlanesWithFfmpeg(
  path: string,
  { layout, colour, turn }: PlanesToRgb,
  warnings: string[],
): Promise<AsyncIterable<LazyFrame> | undefined> {
  const version = await ffmpegVersion();
  if (!version) return undefined;
  const input = ["-noautorotate", "-max_pixels", String(MOST_PIXELS), ...inputOptions(path)];
  const { bits, chroma } = layout;
  const format = `yuv${chroma?.[1] ? "420" : "422"}p${bits > 8 ? `${bits}le` : ""}`;
  const output = ["-f", "rawvideo", "-pix_fmt", format, "pipe:1"];
  const args = [...input, "-map", "0:v:0", ...keepFramesOption(version), ...output];
  return readOutput(path, args, warnings, async function* (pieces) {
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

/** Rate, codec and length of the first video; nothing if ffprobe is missing. */
async function probe(path: string): Promise<{ fps?: number; video?: VideoFacts }> {
  const what = "stream=avg_frame_rate,r_frame_rate,codec_name,nb_frames,duration:format=duration";
  const shape = ["-select_streams", "v:0", "-show_entries", what, "-of", "json"];
  try {
    const command = new Deno.Command("ffprobe", {
      args: ["-v", "error", ...shape, ...inputOptions(path)],
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { stdout } = await command.output();
    return parseProbe(JSON.parse(new TextDecoder().decode(stdout)));
  } catch {
    return {};
  }
}

function parseProbe(
  { streams: [stream = {}] = [], format }: {
    readonly streams?: readonly Record<string, unknown>[];
    readonly format?: Record<string, unknown>;
  },
): { fps?: number; video?: VideoFacts } {
  const positive = (value: unknown) => Number(value) > 0 ? Number(value) : undefined;
  const fps = rateOf(stream.avg_frame_rate) ?? rateOf(stream.r_frame_rate);
  const { codec_name } = stream;
  if (typeof codec_name !== "string") return { fps };
  const duration = positive(stream.duration) ?? positive(format?.duration);
  return { fps, video: { codec: codec_name, frames: positive(stream.nb_frames), duration } };
}

/** A fraction such as `30000/1001`; `0/0` stands for unknown. */
function rateOf(text: unknown): number | undefined {
  const [over, under] = String(text).split("/").map(Number);
  return over && under ? over / under : undefined;
}

/** Adds to an error that ffmpeg would help. */
export function adviseFfmpeg(error: MediaError): MediaError {
  return new MediaError(`${error.message}; with ffmpeg installed more can be read`);
}
