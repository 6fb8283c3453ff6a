import { basename, extname, join } from "node:path";
import { isFile } from "../../files/file_source.ts";
import { makeFolder } from "../../files/folders.ts";
import { writeWhole } from "../../files/atomic_file.ts";
import { readJson } from "../../files/read_json.ts";
import { MediaError } from "../../media/errors.ts";
import type { ResizeMethod } from "../../media/resize.ts";
import { readKeyLog } from "./key_log.ts";
import { type KeyMap, readKeyMap, unknownKeys } from "./key_map.ts";
import { ClipsWriter, openRecording, type Recording, writeRecording } from "./recording.ts";

/** Settings for importing recorded play of another program. */
export interface ImportOptions {
  /** Videos; each needs a log of the same name in .csv or .jsonl, unless `log` is given. */
  readonly videos: readonly string[];
  /** Folder of the data set to create or extend. */
  readonly output: string;
  /** Log of keys, for a single video. */
  readonly log?: string;
  /** JSON of keys and names of actions. */
  readonly map: string;
  /** Action of frames without a key, or "drop" (stay). */
  readonly idle?: string;
  /** Seconds on the log's clock at the video's first frame (0). */
  readonly offset?: number;
  /** Frames per second of the clips (the video's). */
  readonly fps?: number;
  /** Size of the clips (the video's own). */
  readonly size?: { readonly width: number; readonly height: number };
  /** Method of resizing (area). */
  readonly resize?: ResizeMethod;
  /** Frames per clip (300). */
  readonly clipFrames?: number;
  /** Replaces clips that exist. */
  readonly overwrite?: boolean;
  /** Stops after the current clip. */
  readonly signal?: AbortSignal;
  /** Called for each written clip. */
  readonly onClip?: (path: string, frames: number) => void;
}

/** Result of an import. */
export interface Imported {
  /** Files written. */
  readonly clips: number;
  /** Frames of all clips. */
  readonly frames: number;
  /** Frames that were dropped. */
  readonly dropped: number;
  /** Names of the actions, and how many frames each has. */
  readonly actions: Readonly<Record<string, number>>;
  /** Keys of the logs that have no action. */
  readonly unknownKeys: readonly string[];
  /** Warnings of one line each, for the user. */
  readonly warnings: readonly string[];
}

const CLIP_FRAMES = 300;
const LOGS = [".csv", ".jsonl"];
const FAR = "far.json";

/**
 * Turns videos with logs of keys into a data set of FAR's layout: .npz clips with `video` and
 * `actions`, and a far.json with the names of the actions. Videos, logs and map are checked before
 * anything is written; then frames pass one by one, and of a video that cannot be read to its end
 * nothing is kept.
 * @throws {MediaError} names file and line of the problem, or a clip that already exists
 */
export async function importPlay(options: ImportOptions): Promise<Imported> {
  const { videos, output, idle = "stay", clipFrames = CLIP_FRAMES, overwrite = false } = options;
  if (options.log !== undefined && videos.length > 1) {
    throw new RangeError("Cannot use one `log` for several videos");
  }
  const map = await readKeyMap(options.map, idle);
  const recordings: Recording[] = [];
  for (const video of videos) recordings.push(await open(video, map, options));
  const fps = checkAlike(recordings);
  await checkData(output, map, fps);
  await makeFolder(output);
  const counts = map.actions.map(() => 0);
  const made = { clips: 0, frames: 0, dropped: 0 };
  const warnings: string[] = [];
  const far = { actions: map.actions, fps };
  await writeWhole(join(output, FAR), `${JSON.stringify(far, null, 2)}\n`);
  for (const recording of recordings) {
    const stem = join(output, basename(recording.video, extname(recording.video)));
    const { signal, onClip } = options;
    const writer = new ClipsWriter(stem, { ...recording, clipFrames, overwrite, signal, onClip });
    const written = await writeRecording(recording, map, writer);
    made.dropped += written.dropped;
    warnings.push(...written.warnings);
    made.clips += writer.clips;
    writer.counts.forEach((count, action) => counts[action]! += count);
  }
  made.frames = counts.reduce((sum, count) => sum + count, 0);
  const actions = Object.fromEntries(map.actions.map((name, i) => [name, counts[i]!]));
  const unknown = recordings.flatMap(({ moments }) => unknownKeys(moments, map));
  return { ...made, actions, unknownKeys: [...new Set(unknown)], warnings };
}

async function open(video: string, map: KeyMap, options: ImportOptions): Promise<Recording> {
  if (!await isFile(video)) throw new MediaError(`Cannot read "${video}": there is no such file`);
  const log = options.log ?? await logOf(video);
  const moments = await readKeyLog(log);
  const used = new Set(moments.flatMap(({ keys }) => [...keys]));
  if (used.size > 0 && unknownKeys(moments, map).length === used.size) {
    throw new MediaError(
      `Cannot use key log "${log}": none of its keys (${[...used].slice(0, 5).join(", ")}) is in ` +
        `"${options.map}"`,
    );
  }
  return await openRecording(video, { log, moments }, options);
}

async function logOf(video: string): Promise<string> {
  const stem = video.slice(0, video.length - extname(video).length);
  for (const ending of LOGS) if (await isFile(stem + ending)) return stem + ending;
  throw new MediaError(
    `Cannot import "${video}": there is no log of keys beside it, "${
      basename(stem)
    }.csv" or .jsonl`,
  );
}

/** All clips of a data set have one size and rate. @returns the rate */
function checkAlike([first, ...others]: readonly Recording[]): number {
  for (const { video, width, height, fps } of others) {
    const size = `${width}x${height}`;
    if (size !== `${first!.width}x${first!.height}`) {
      throw new MediaError(
        `Cannot import "${video}": it is ${size}, "${first!.video}" ` +
          `${first!.width}x${first!.height}; give one \`size\` for all`,
      );
    }
    if (Math.abs(fps / first!.fps - 1) > 0.01) {
      throw new MediaError(
        `Cannot import "${video}": it has ${fps} frames per second, "${first!.video}" has ` +
          `${first!.fps}; give one \`fps\` for all`,
      );
    }
  }
  return first!.fps;
}

/** A folder to extend must number its actions in the same way, and be as fast. */
async function checkData(output: string, { actions }: KeyMap, fps: number): Promise<void> {
  const path = join(output, FAR);
  if (!await isFile(path)) return;
  const before = await readJson(path);
  if (JSON.stringify(before.actions) !== JSON.stringify(actions)) {
    throw new MediaError(
      `Cannot add to "${output}": its actions are ${JSON.stringify(before.actions)}, those of ` +
        `the key map ${JSON.stringify(actions)}`,
    );
  }
  if (typeof before.fps === "number" && Math.abs(before.fps / fps - 1) > 0.01) {
    throw new MediaError(
      `Cannot add to "${output}": its clips have ${before.fps} frames per second, these ${fps}`,
    );
  }
}
