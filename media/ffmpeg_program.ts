import { MediaError } from "./errors.ts";

/**
 * The version line of the system's ffmpeg; undefined if there is none (or no permission to run it).
 */
export async function ffmpegVersion(): Promise<string | undefined> {
  try {
    const command = new Deno.Command("ffmpeg", {
      args: ["-version"],
      stdin: "null",
      stderr: "null",
    });
    const { success, stdout } = await command.output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0] : undefined;
  } catch {
    return undefined;
  }
}

/** The option that keeps frames as they are; FFmpeg 5.1 renamed it. */
export function keepFramesOption(version: string): string[] {
  return /^ffmpeg version n?(?:[0-4]\.|5\.0)/.test(version)
    ? ["-vsync", "0"]
    : ["-fps_mode", "passthrough"];
}

/** A path that ffmpeg treats as a file whatever its name looks like. */
export function ffmpegPath(path: string): string {
  return `file:${path}`;
}

/**
 * Containers that contain their pictures. Playlists (HLS, DASH, ffconcat, image2) are left out: a
 * stranger's playlist would draw other files of this machine into the picture.
 */
const CONTAINERS = [
  ...["mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "nut", "mxf"],
  ...["ivf", "h264", "hevc", "obu", "av1", "vc1", "m4v", "h263", "mjpeg", "dv", "rm", "wtv", "gxf"],
  ...["gif", "apng", "yuv4mpegpipe", "jpeg_pipe", "webp_pipe", "png_pipe", "bmp_pipe", "tiff_pipe"],
];

/**
 * Options before `-i` for a stranger's file.
 *
 * @param format FFmpeg's name of the container; detected by default
 */
export function inputOptions(path: string, format?: string): string[] {
  const allowed = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS.join(",")];
  return [...allowed, ...(format ? ["-f", format] : []), "-i", ffmpegPath(path)];
}

/** Starts ffmpeg. Its stderr is kept for `ffmpegFailure`. */
export function startFfmpeg(args: string[], stdin: "piped" | "null"): Deno.ChildProcess {
  const quiet = ["-hide_banner", "-v", "error", "-y"];
  const command = new Deno.Command("ffmpeg", {
    args: [...quiet, ...args],
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
  return command.spawn();
}

/** ffmpeg's complaint as an error. */
export function ffmpegFailure(stderr: string): MediaError {
  // a line may begin with the component that wrote it and its address
  const lines = stderr.split("\n")
    .map((line) => line.replace(/^\[[^\]]* @ 0x[0-9a-f]+\]/, "").trim()).filter(Boolean);
  return new MediaError(`ffmpeg says: ${lines[0] ?? "nothing, but failed"}`);
}
