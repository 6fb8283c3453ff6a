import { dirname, join } from "node:path";
import { isFile } from "../../files/file_source.ts";
import type { JsonObject } from "../../files/json.ts";
import { readJson } from "../../files/read_json.ts";
import { readClip } from "../../media/clip.ts";
import { MediaError, StuckMediaError } from "../../media/errors.ts";
import { actionWords } from "../data/clip_actions.ts";
import { findClips } from "../data/clip_files.ts";
import type { TrainOptions } from "../run_options.ts";

/** What the clips are, as far as it decides the sizes of a world. */
export interface Survey {
  readonly clips: readonly string[];
  readonly width: number;
  readonly height: number;
  /** Frames of the shortest clip. */
  readonly frames: number;
  /** Actions by index; undefined for clips without. */
  readonly names: readonly string[] | undefined;
  readonly fps: number | undefined;
}

/**
 * Reads all clips once: their size, the shortest one, and what actions there are, by the names that
 * are given, else those of a far.json beside the clips, else the words and numbers found.
 * @throws {MediaError} no clips, or one that cannot be read, where `skipBad` does not allow it
 */
export async function surveyClips(
  { clips: sources, names: given, size, skipBad, signal, onEvent }: Pick<
    TrainOptions,
    "clips" | "names" | "size" | "skipBad" | "signal" | "onEvent"
  >,
): Promise<Survey> {
  const clips = await findClips(sources);
  const beside = await farBeside(clips);
  const words: string[] = [];
  let [width, height, frames, withActions] = [0, 0, Infinity, 0];
  let fps: number | undefined = typeof beside?.fps === "number" ? beside.fps : undefined;
  for (const [done, path] of clips.entries()) {
    signal?.throwIfAborted();
    try {
      const clip = await readClip(path);
      if (width === 0) [width, height] = [clip.width, clip.height];
      frames = Math.min(frames, clip.frames.length);
      fps ??= clip.fps;
      const own = await actionWords({ ...clip, path });
      if (own) withActions++;
      for (const word of own ?? []) if (!words.includes(word)) words.push(word);
    } catch (error) {
      const isOver = !skipBad || error instanceof StuckMediaError; // its thread would run on
      if (isOver || !(error instanceof MediaError)) throw error;
    }
    onEvent?.({ event: "clips", stage: "surveyed", done: done + 1, total: clips.length });
  }
  if (width === 0) throw new MediaError("Cannot train: no clip can be used");
  const names = withActions === 0 ? undefined : given ?? namesIn(beside) ?? namesOf(words);
  return { clips, width: size?.width ?? width, height: size?.height ?? height, frames, names, fps };
}

async function farBeside(clips: readonly string[]): Promise<JsonObject | undefined> {
  const path = clips[0] === undefined ? undefined : join(dirname(clips[0]), "far.json");
  return path !== undefined && await isFile(path) ? await readJson(path) : undefined;
}

function namesIn(far: JsonObject | undefined): string[] | undefined {
  const list = far?.actions;
  const isNames = Array.isArray(list) && list.every((name) => typeof name === "string");
  return isNames && list.length > 0 ? list : undefined;
}

/** No model tells more actions apart. */
const MOST_ACTIONS = 10_000;

/** Numbers up to the largest stand for themselves; words are numbered by their alphabet. */
function namesOf(words: readonly string[]): string[] {
  if (!words.every((word) => /^\d+$/.test(word))) return words.toSorted();
  const most = words.reduce((largest, word) => Math.max(largest, Number(word)), 0);
  if (most >= MOST_ACTIONS) {
    throw new MediaError(
      `Cannot train: a clip has action ${most}, the largest can be ${MOST_ACTIONS - 1}`,
    );
  }
  return Array.from({ length: most + 1 }, (_, i) => String(i));
}
