import { join } from "node:path";
import { makeFolder } from "../../files/folders.ts";
import { isObject, type JsonObject } from "../../files/json.ts";
import { readJson } from "../../files/read_json.ts";
import { writeWhole } from "../../files/atomic_file.ts";
import { toRgb } from "../../media/frames.ts";
import { openFrameWriter } from "../../media/video_writer.ts";
import { clipActions } from "../data/clip_actions.ts";
import { readPictures } from "../data/clip_cache.ts";
import { heldOutIndices } from "../data/open_data.ts";
import type { WorldPlan } from "./world.ts";

/** Start clips, and frames of each. */
const CLIPS = 4;
const FRAMES = 12;
/** Frames of a video unless told. */
const VIDEO = 48;

/** A beginning: where it lies, and the actions that followed it. */
interface Start {
  readonly file: string;
  readonly next: readonly number[];
}

/**
 * Ends a world's model folder: `clips` to start from, of held-out ones where there are any, and a
 * far.json that names the first, the size and how to go on.
 * @throws {MediaError | CheckpointError} a clip that cannot be read any more, a full disk
 */
export async function addStartClips(plan: WorldPlan): Promise<void> {
  const { survey, world: { options } } = plan;
  const held = heldOutIndices(survey.clips.length, options.heldOut ?? "auto");
  const order = survey.clips.map((_, i) => i).sort((a, b) =>
    Number(held.has(b)) - Number(held.has(a))
  );
  const count = held.size > 0 ? Math.min(CLIPS, held.size) : Math.min(CLIPS, order.length);
  await makeFolder(join(options.output, "clips"));
  const starts: Start[] = [];
  for (const index of order.slice(0, count)) {
    const most = Math.floor(CLIPS / count);
    starts.push(...await writeStarts(plan, survey.clips[index]!, { from: starts.length, most }));
  }
  const file = join(options.output, "far.json");
  const far = await readJson(file);
  const defaults: JsonObject = {
    ...(isObject(far.defaults) && far.defaults),
    context: `clips/${starts[0]!.file}`,
    context_frames: contextOf(plan),
    frames: VIDEO,
    ...(survey.names && { actions: actionList(starts[0]!.next, survey.names) }),
  };
  await writeWhole(file, `${JSON.stringify({ ...far, defaults }, null, 2)}\n`);
}

/** Frames that a start has: no more than the clips, and half of what was trained on. */
function contextOf({ world: { options } }: WorldPlan): number {
  return Math.max(1, Math.min(FRAMES, Math.floor(options.frames! / 2)));
}

/** Writes up to `most` beginnings from a clip; their files are counted on from `from`. */
async function writeStarts(
  plan: WorldPlan,
  path: string,
  { from, most }: { readonly from: number; readonly most: number },
): Promise<Start[]> {
  const { survey, world: { options } } = plan;
  const { interval = 1, resize = "bilinear", output, fps = 8 } = options;
  const size = { width: survey.width, height: survey.height };
  const clip = await readPictures(path, { ...size, resize });
  const frames = clip.frames.filter((_, i) => i % interval === 0);
  const classes = {
    count: survey.names?.length ?? 0,
    ...(survey.names && { names: survey.names }),
  };
  const all = survey.names
    ? await clipActions({ ...clip, path, frames: clip.frames.length }, classes)
    : undefined;
  const actions = all && [...all].filter((_, i) => i % interval === 0);
  const count = contextOf(plan);
  const starts: Start[] = [];
  for (const first of placesToStart(frames.map(({ data }) => variance(data)), count, most)) {
    const file = `${from + starts.length}.npz`;
    await using writer = await openFrameWriter(join(output, "clips", file), {
      ...size,
      fps,
      ...(actions && { actions: actions.slice(first, first + count) }),
    });
    for (const frame of frames.slice(first, first + count)) await writer.write(toRgb(frame));
    await writer.close();
    starts.push({ file, next: actions?.slice(first + count) ?? [] });
  }
  return starts;
}

/**
 * First frames of up to `most` windows of `count` frames, one in each part of a clip, of those that
 * follow each other: the one with the most to see. A world is no place to wait before a plain wall.
 * @param detail how much there is to see in each frame
 */
export function placesToStart(detail: readonly number[], count: number, most: number): number[] {
  const windows = Array.from({ length: Math.floor(detail.length / count) }, (_, i) => i * count);
  const seen = (first: number) => detail.slice(first, first + count).reduce((a, b) => a + b, 0);
  const parts = Math.min(most, windows.length);
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [part, part + 1].map((i) => Math.floor(i * windows.length / parts));
    return windows.slice(from, to).reduce((best, at) => seen(at) > seen(best) ? at : best);
  });
}

/** Of the values of a picture. */
function variance(values: ArrayLike<number>): number {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    squares += values[i]! ** 2;
  }
  return squares / values.length - (sum / values.length) ** 2;
}

/** Actions as a command takes them, `left*3,forward`; the clip's own, again and again. */
function actionList(next: readonly number[], names: readonly string[]): string {
  const source = next.length > 0 ? next : names.map((_, i) => i);
  const runs: { action: number; count: number }[] = [];
  for (let i = 0; i < VIDEO; i++) {
    const action = source[i % source.length]!;
    const last = runs.at(-1);
    if (last?.action === action) last.count++;
    else runs.push({ action, count: 1 });
  }
  return runs.map(({ action, count }) => count > 1 ? `${names[action]}*${count}` : names[action])
    .join(",");
}
