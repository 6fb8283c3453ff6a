import { extname } from "node:path";
import type { RunWarning } from "./model_warnings.ts";
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
): RunWarning[] {
  const kindOf = (path: string) => path === "-" ? `.${format}` : extname(path).toLowerCase();
  const warnings: RunWarning[] = [];
  const gifs = paths.filter((path) => kindOf(path) === ".gif");
  if (fps > GIF_FPS && gifs.length > 0) {
    const play = gifs.length > 1 ? "play" : "plays";
    const text = `${listNames(gifs)} ${play} at ${GIF_FPS} frames per second, not ${fps}: ` +
      "GIF has no more";
    warnings.push({ kind: "rate of GIF", text });
  }
  if (paths.length === 0 || paths.some((path) => VIDEOS.includes(kindOf(path)))) return warnings;
  for (const [name, value] of Object.entries({ codec, quality })) {
    if (value === undefined) continue;
    const where = listNames(paths);
    const text = `--${name} ${value} changes nothing in ${where}: it is for ${VIDEOS.join(" ")}`;
    warnings.push({ kind: name, text });
  }
  return warnings;
}
