import { ByteQueue } from "./byte_queue.ts";
import { MediaError } from "./errors.ts";
import {
  ffmpegFailure,
  ffmpegPath,
  ffmpegVersion,
  keepFramesOption,
  startFfmpeg,
} from "./ffmpeg_program.ts";
import type { FrameStream, LazyFrame } from "./frame_stream.ts";

/** Swscale is off by up to 3 levels without; chroma is left unfiltered, as `yuvToRgb` leaves it. */
const EXACT_COLOURS = "accurate_rnd+full_chroma_int+full_chroma_inp+neighbor";

/**
 * Opens anything that the system's ffmpeg can decode, for what the native codecs cannot. Every
 * frame of the file comes once.
 *
 * @param turn whether to apply the rotation that the file asks for
 * @returns nothing where there is no ffmpeg
 */
export async function openWithFfmpeg(
  path: string,
  turn = true,
): Promise<FrameStream | undefined> {
  const version = await ffmpegVersion();
  if (!version) return undefined;
  const warnings: string[] = [];
  const frames = readPictures(path, keepFramesOption(version), turn, warnings);
  return { frames, fps: await probeRate(path), lossy: true, warnings };
}

async function* readPictures(
  path: string,
  keepFrames: string[],
  turn: boolean,
  warnings: string[],
): AsyncGenerator<LazyFrame> {
  const input = [...(turn ? [] : ["-noautorotate"]), "-i", ffmpegPath(path), "-map", "0:v:0"];
  const pixels = ["-sws_flags", EXACT_COLOURS, "-pix_fmt", "rgb24"];
  const output = [...keepFrames, ...pixels, "-f", "image2pipe", "-c:v", "ppm", "pipe:1"];
  const child = startFfmpeg([...input, ...output], "null");
  const complaints = new Response(child.stderr).text();
  const bytes = new ByteQueue(child.stdout);
  let isEmpty = true;
  try {
    for await (const frame of parsePictures(bytes)) {
      isEmpty = false;
      yield frame;
    }
    const words = await complaints;
    if (isEmpty) throw ffmpegFailure(words);
    if (words.trim()) warnings.push(`"${path}" is damaged: ${ffmpegFailure(words).message}`);
  } finally {
    // Enough may have been seen before the end: then ffmpeg has nobody to write for.
    await bytes.close();
    await complaints;
    await child.status;
  }
}

/** Takes PPM pictures apart: each says its own size. */
async function* parsePictures(bytes: ByteQueue): AsyncGenerator<LazyFrame> {
  for (let index = 0; await bytes.readLine() === "P6"; index++) {
    const [width = 0, height = 0] = (await bytes.readLine() ?? "").split(" ").map(Number);
    await bytes.readLine(); // 255
    const data = await bytes.read(width * height * 3);
    if (!data) return;
    yield { index, pixels: () => ({ width, height, data }) };
  }
}

async function probeRate(path: string): Promise<number | undefined> {
  const what = [
    "-select_streams",
    "v:0",
    "-show_entries",
    "stream=avg_frame_rate",
    "-of",
    "csv=p=0",
  ];
  try {
    const command = new Deno.Command("ffprobe", {
      args: ["-v", "error", ...what, ffmpegPath(path)],
    });
    const { stdout } = await command.output();
    const [over, under] = new TextDecoder().decode(stdout).trim().split("/").map(Number);
    return over && under ? over / under : undefined;
  } catch {
    return undefined;
  }
}

/** Adds to an error that an ffmpeg would have helped. */
export function adviseFfmpeg(error: MediaError): MediaError {
  return new MediaError(`${error.message}; with ffmpeg installed more can be read`);
}
