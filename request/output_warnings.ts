import { extname } from "node:path";
import { listNames } from "./outputs.ts";

/** Options that some outputs ignore. */
interface Encoding {
  readonly fps?: number;
  readonly codec?: string;
  readonly quality?: number;
  /** Format of `-` (MP4). */
  readonly format?: string;
}

const VIDEOS = [".mp4", ".mov", ".webm", ".mkv"];
/** Viewers show each frame of a GIF for at least a fiftieth of a second. */
const GIF_FPS = 50;

/** Warnings about outputs that may differ from what the user expects, one line each. */
export function outputWarnings(
  paths: readonly string[],
  { fps = 0, codec, quality, format = "mp4" }: Encoding,
): string[] {
  const kindOf = (path: string) => path === "-" ? `.${format}` : extname(path).toLowerCase();
  const warnings: string[] = [];
  const gifs = paths.filter((path) => kindOf(path) === ".gif");
  if (fps > GIF_FPS && gifs.length > 0) {
    warnings.push(
      `${listNames(gifs)} ${
        gifs.length > 1 ? "play" : "plays"
      } at ${GIF_FPS} frames per second, not ${fps}: GIF has no more`,
    );
  }
  if (paths.length === 0 || paths.some((path) => VIDEOS.includes(kindOf(path)))) return warnings;
  for (const [name, value] of Object.entries({ codec, quality })) {
    if (value === undefined) continue;
    warnings.push(
      `--${name} ${value} changes nothing in ${listNames(paths)}: it is for ${VIDEOS.join(" ")}`,
    );
  }
  return warnings;
}
