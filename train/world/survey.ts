import { dirname, join } from "node:path";
import { isFile } from "../../files/file_source.ts";
import { isTexts, type JsonObject } from "../../files/json.ts";
import { readJson } from "../../files/read_json.ts";
import { type Clip, readClip } from "../../media/clip.ts";
import { MediaError, StuckMediaError } from "../../media/errors.ts";
import { actionWords, clipActions } from "../data/clip_actions.ts";
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

/** Fewest frames of a clip: one to go by, and one to learn. */
const LEAST_FRAMES = 2;

type SurveyOptions = Pick<
  TrainOptions,
  "clips" | "names" | "size" | "interval" | "skipBad" | "signal" | "onEvent"
>;

/** A clip without its frames, and the words of its actions. */
interface Seen extends Omit<Clip, "frames"> {
  readonly path: string;
  readonly frames: number;
  readonly words: readonly string[] | undefined;
}

/**
 * Reads all clips once: their size, the shortest one, and what actions there are, by the names that
 * are given, else those of a far.json beside the clips, else the words and numbers found.
 * @throws {MediaError} no clips, or one that cannot be used, where `skipBad` does not allow it
 */
export async function surveyClips(options: SurveyOptions): Promise<Survey> {
  const { names: given, size, skipBad, signal, onEvent } = options;
  const clips = await findClips(options.clips);
  const beside = await farBeside(clips);
  const seen: Seen[] = [];
  for (const [done, path] of clips.entries()) {
    signal?.throwIfAborted();
    try {
      const clip = await look(path);
      checkClip(clip, seen[0], options);
      seen.push(clip);
    } catch (error) {
      const isOver = !skipBad || error instanceof StuckMediaError; // its thread would run on
      if (isOver || !(error instanceof MediaError)) throw error;
    }
    onEvent?.({ event: "clips", stage: "surveyed", done: done + 1, total: clips.length });
  }
  const [first] = seen;
  if (!first) throw new MediaError("Cannot train: no clip can be used");
  if (!skipBad) checkActions(seen);
  const words = new Set(seen.flatMap((clip) => clip.words ?? []));
  const names = words.size > 0 ? given ?? namesIn(beside) ?? namesOf([...words]) : undefined;
  if (names && !skipBad) {
    for (const clip of seen) await clipActions(clip, { count: names.length, names });
  }
  const fps = typeof beside?.fps === "number" ? beside.fps : first.fps;
  const { width, height } = size ?? first;
  return { clips, width, height, frames: fewestFrames(seen), names, fps };
}

/** @internal Frames of the shortest clip; there may be more clips than a call takes arguments. */
export function fewestFrames(clips: readonly { readonly frames: number }[]): number {
  return clips.reduce((least, { frames }) => Math.min(least, frames), Infinity);
}

/** Reads a clip frame by frame, keeping none. */
async function look(path: string): Promise<Seen> {
  let frames = 0;
  const count = (_: unknown, index: number) => {
    frames = Math.max(frames, index + 1);
    return Promise.resolve();
  };
  const clip = await readClip(path, { each: count });
  return { ...clip, path, frames, words: await actionWords({ ...clip, path }) };
}

/** @throws {MediaError} a clip that is too short, or unlike the first one */
function checkClip(clip: Seen, first: Seen | undefined, { size, interval = 1 }: SurveyOptions) {
  const refuse = (why: string) => new MediaError(`Cannot train on "${clip.path}": ${why}`);
  const taken = Math.floor((clip.frames - 1) / interval) + 1;
  if (taken < LEAST_FRAMES) {
    const every = interval > 1 ? ` at every ${interval}th` : "";
    throw refuse(
      `a world needs clips of ${LEAST_FRAMES} or more frames, and it has ${taken}${every}`,
    );
  }
  if (!first) return;
  if (!size && (clip.width !== first.width || clip.height !== first.height)) {
    throw refuse(
      `it is ${clip.width}x${clip.height}, "${first.path}" ${first.width}x${first.height}; give ` +
        "one `size` for all",
    );
  }
}

/** @throws {MediaError} some have actions, some have none */
function checkActions(seen: readonly Seen[]): void {
  const [acting, other] = [seen.find(({ words }) => words), seen.find(({ words }) => !words)];
  if (!acting || !other) return;
  throw new MediaError(`Cannot train on "${other.path}": it has no actions, "${acting.path}" has`);
}

async function farBeside(clips: readonly string[]): Promise<JsonObject | undefined> {
  const path = clips[0] === undefined ? undefined : join(dirname(clips[0]), "far.json");
  return path !== undefined && await isFile(path) ? await readJson(path) : undefined;
}

function namesIn(far: JsonObject | undefined): string[] | undefined {
  const list = far?.actions;
  return isTexts(list) && list.length > 0 ? list : undefined;
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
