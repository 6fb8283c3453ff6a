import { basename, extname, join } from "node:path";
import { isFile } from "../../files/file_source.ts";
import { makeFolder } from "../../files/folders.ts";
import { writeWhole } from "../../files/atomic_file.ts";
import { readJson } from "../../files/read_json.ts";
import { type Clip, readClip } from "../../media/clip.ts";
import { MediaError } from "../../media/errors.ts";
import { isRgb, toRgb } from "../../media/frames.ts";
import { openFrameWriter } from "../../media/video_writer.ts";
import type { ResizeMethod } from "../../media/resize.ts";
import { type KeyMoment, readKeyLog } from "./key_log.ts";
import { actionsAt, type KeyMap, readKeyMap } from "./key_map.ts";

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
}

const CLIP_FRAMES = 300;
const LOGS = [".csv", ".jsonl"];
const FAR = "far.json";

/**
 * Turns videos with logs of keys into a data set of FAR's layout: .npz clips with `video` and
 * `actions`, and a far.json with the names of the actions. Logs and map are checked before anything
 * is written.
 * @throws {MediaError} names file and line of the problem, or a clip that already exists
 */
export async function importPlay(options: ImportOptions): Promise<Imported> {
  const { videos, output, idle = "stay" } = options;
  if (options.log !== undefined && videos.length > 1) {
    throw new RangeError("Cannot use one `log` for several videos");
  }
  const map = await readKeyMap(options.map, idle);
  const sources: { video: string; moments: KeyMoment[] }[] = [];
  for (const video of videos) {
    const log = options.log ?? await logOf(video);
    sources.push({ video, moments: await readKeyLog(log) });
  }
  await checkNames(output, map);
  await makeFolder(output);
  const counts = map.actions.map(() => 0);
  const made = { clips: 0, frames: 0, dropped: 0 };
  let fps = options.fps;
  for (const { video, moments } of sources) {
    const clip = await readVideo(video, options);
    fps ??= clip.fps;
    const actions = await actionsOf(video, clip, moments, map, options);
    const kept = actions.flatMap((action, i) => action === undefined ? [] : [{ action, i }]);
    made.dropped += actions.length - kept.length;
    for (const { action } of kept) counts[action]!++;
    made.clips += await writeClips(video, clip, kept, options);
    made.frames += kept.length;
  }
  await writeWhole(
    join(output, FAR),
    `${JSON.stringify({ actions: map.actions, ...(fps && { fps }) }, null, 2)}\n`,
  );
  const actions = Object.fromEntries(map.actions.map((name, i) => [name, counts[i]!]));
  return { ...made, actions };
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

/** A folder to extend must number its actions in the same way. */
async function checkNames(output: string, { actions }: KeyMap): Promise<void> {
  const path = join(output, FAR);
  if (!await isFile(path)) return;
  const before = (await readJson(path)).actions;
  if (JSON.stringify(before) === JSON.stringify(actions)) return;
  throw new MediaError(
    `Cannot add to "${output}": its actions are ${JSON.stringify(before)}, those of the key map ` +
      JSON.stringify(actions),
  );
}

/** Frames at the wanted rate. */
async function readVideo(path: string, { size, resize, fps }: ImportOptions): Promise<Clip> {
  const how = { ...(size && { size }), ...(resize && { resize }) };
  const { fps: own } = await readClip(path, { count: 1, upTo: true });
  if (fps === undefined || own === undefined) return await readClip(path, how);
  if (fps > own * 1.001) {
    throw new MediaError(`Cannot import "${path}" at ${fps} frames per second: it has ${own}`);
  }
  const ratio = own / fps;
  const stride = Math.abs(ratio - Math.round(ratio)) < 0.01 ? Math.round(ratio) : 1;
  const clip = await readClip(path, { ...how, stride });
  const every = ratio / stride; // of the frames read; 1 where the rates divide
  const count = Math.floor((clip.frames.length - 1) / every + 1e-6) + 1;
  const frames = Array.from({ length: count }, (_, i) => clip.frames[Math.round(i * every)]!);
  return { ...clip, fps, frames: frames as Clip["frames"] };
}

function actionsOf(
  video: string,
  { frames, fps }: Clip,
  moments: readonly KeyMoment[],
  map: KeyMap,
  { offset = 0, fps: wanted }: ImportOptions,
): (number | undefined)[] {
  const rate = fps ?? wanted;
  if (rate === undefined) {
    throw new MediaError(`Cannot import "${video}": it does not say how fast it is; give \`fps\``);
  }
  const times = frames.map((_, i) => offset + i / rate);
  const [first, last] = [moments[0]!.time, moments.at(-1)!.time];
  if (first > times.at(-1)! || last < times[0]!) {
    throw new MediaError(
      `Cannot import "${video}": it lasts from ${times[0]} to ${
        times.at(-1)!.toFixed(3)
      } s of the ` +
        `log's clock, the log from ${first} to ${last}; give \`offset\``,
    );
  }
  return actionsAt(times, moments, map);
}

async function writeClips(
  video: string,
  { frames, width, height, fps = 8 }: Clip,
  kept: readonly { readonly action: number; readonly i: number }[],
  { output, clipFrames = CLIP_FRAMES, overwrite = false, signal, onClip }: ImportOptions,
): Promise<number> {
  const stem = basename(video, extname(video));
  let clips = 0;
  for (let at = 0; at < kept.length; at += clipFrames) {
    signal?.throwIfAborted();
    const part = kept.slice(at, at + clipFrames);
    const path = join(output, `${stem}-${String(clips).padStart(4, "0")}.npz`);
    if (!overwrite && await isFile(path)) {
      throw new MediaError(`Cannot write "${path}": it exists`);
    }
    const actions = part.map(({ action }) => action);
    const writer = await openFrameWriter(path, { width, height, fps, actions });
    try {
      for (const { i } of part) {
        const frame = frames[i]!;
        await writer.write(isRgb(frame) ? frame : toRgb(frame));
      }
      await writer.close();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    onClip?.(path, part.length);
    clips++;
  }
  return clips;
}
