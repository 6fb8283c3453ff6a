import { join } from "node:path";
import type { JsonObject } from "../../files/json.ts";
import { makeFolder } from "../../files/folders.ts";
import { toRgb } from "../../media/frames.ts";
import { openFrameWriter } from "../../media/video_writer.ts";
import type { Condition } from "../../model/config.ts";
import { type PictureOptions, readPictures } from "../data/clip_cache.ts";
import type { ExampleClip } from "../data/open_data.ts";

/** Folder of start clips in a model folder. */
const CLIPS = "clips";
/** Frames of context in a start clip, and frames that follow. */
const CONTEXT = 12;
const SHOWN = 36;

/** Settings of a model's start clips. */
export interface StartOptions {
  readonly condition: Condition;
  readonly names: readonly string[] | undefined;
  readonly pictures: Omit<PictureOptions, "flip">;
  /** Frames of the model's window. */
  readonly window: number;
  readonly fps: number;
}

/**
 * Writes the beginnings of clips into a model folder, as starts for `far play` and `far generate`.
 * @returns defaults of far.json that name the first of them
 * @throws {MediaError} a clip cannot be read, or a file cannot be written
 */
export async function writeStartClips(
  folder: string,
  examples: readonly ExampleClip[],
  options: StartOptions,
): Promise<JsonObject> {
  const context = Math.max(1, Math.min(CONTEXT, Math.floor(options.window / 2)));
  await makeFolder(join(folder, CLIPS));
  let defaults: JsonObject = {};
  for (const [i, { path, frames, classes }] of examples.entries()) {
    const count = Math.min(frames, context + SHOWN);
    const clip = await readPictures(path, options.pictures, { count });
    const actions = options.condition.kind === "action" ? [...classes!].slice(0, count) : undefined;
    const { width, height } = options.pictures;
    const size = { width, height, fps: options.fps, ...(actions && { actions }) };
    await using writer = await openFrameWriter(join(folder, CLIPS, `${i}.npz`), size);
    for (const frame of clip.frames) await writer.write(toRgb(frame));
    await writer.close();
    const given = Math.min(context, count - 1) || 1;
    const made = Math.max(1, count - given);
    if (i > 0) continue;
    defaults = { context: `${CLIPS}/${i}.npz`, context_frames: given, frames: made };
    const word = (index: number) => options.names?.[index] ?? String(index);
    if (actions) defaults.actions = actions.slice(given, given + made).map(word).join(",");
    else if (options.condition.kind === "label") defaults.label = word(classes![0]!);
  }
  return defaults;
}
