import { extname } from "node:path";
import { MediaError, StuckMediaError } from "../../media/errors.ts";
import { type Clip, readClip } from "../../media/clip.ts";
import type { ResizeMethod } from "../../media/resize.ts";
import type { Condition } from "../../model/config.ts";
import { CheckpointError } from "../../files/errors.ts";
import { clipActions } from "./clip_actions.ts";
import { clipLabel } from "./clip_label.ts";
import {
  cachePath,
  type ClipEncoder,
  encodeFrames,
  encodeToCache,
  openCached,
  type PictureOptions,
  readPictures,
} from "./clip_cache.ts";
import { findClips } from "./clip_files.ts";
import {
  DataSet,
  type LatentClip,
  type LatentSizes,
  type WindowOptions,
  windowPlaces,
} from "./data_set.ts";
import { openLatentFile } from "./latent_file.ts";
import { rememberedClip } from "./picture_clip.ts";

/** Which clips to use, and how. */
export interface DataOptions {
  /** Files, folders, patterns. */
  readonly sources: readonly string[];
  readonly condition: Condition;
  /** Names of actions or labels, by index. */
  readonly names?: readonly string[];
  /** Maps the clips' action numbers to the model's; identical if absent. */
  readonly numbers?: readonly number[];
  readonly window: WindowOptions;
  /** Size of the pictures (the clips' own). */
  readonly size?: { readonly width: number; readonly height: number };
  readonly resize: ResizeMethod;
  /** Whether to train on mirrored clips too. */
  readonly flip: boolean;
  /** Width and height must be multiples of this. */
  readonly multiple: number;
  /** Folder of cached latents; undefined encodes each window when it is needed. */
  readonly cache: string | undefined;
  /** Whether to train on the pictures themselves, kept in memory. */
  readonly remember?: boolean;
  /** Opened only if pictures must be encoded. */
  readonly encoder: () => Promise<ClipEncoder>;
  /** Share of the clips for validation; auto: one in 20, if there are at least 20. */
  readonly heldOut: number | "auto";
  /** Whether to continue without clips that cannot be used. */
  readonly skipBad: boolean;
  readonly signal?: AbortSignal;
  /** Called with clips done and in total. */
  readonly onProgress?: (stage: "checked" | "encoded", done: number, total: number) => void;
}

/** The opened data. */
export interface OpenedData {
  readonly train: DataSet;
  readonly heldOut: DataSet | undefined;
  /** One line per clip that cannot be used. */
  readonly skipped: readonly string[];
  /** A few clips of pictures as starts for worlds, preferably held-out ones. */
  readonly examples: readonly ExampleClip[];
  /** Their size; absent if all clips are latents. */
  readonly pictures?: { readonly width: number; readonly height: number };
}

/** A clip of pictures. */
export interface ExampleClip {
  readonly path: string;
  readonly frames: number;
  readonly classes?: Int32Array;
}

const EXAMPLES = 4;

/** Most problems listed in one error. */
const MOST_NAMED = 20;

/**
 * Finds the clips, checks all of them, encodes those that are not cached, and splits off a share
 * for validation.
 * @throws {MediaError} no clips, or lists all problems, one line each
 */
export async function openData(options: DataOptions): Promise<OpenedData> {
  const paths = await findClips(options.sources);
  if (options.flip && options.condition.kind === "action") {
    throw new RangeError("Cannot use `flip` on clips with actions: left would become right");
  }
  const { size, multiple } = options;
  if (size && (size.width % multiple !== 0 || size.height % multiple !== 0)) {
    throw new RangeError(
      `Cannot use \`size\` ${size.width}x${size.height}: its sides must be multiples of ${multiple}`,
    );
  }
  const checks = await checkAll(paths, options);
  const { good, skipped } = splitChecked(checks, options);
  const sizes = commonSizes(good);
  const clips = good.flatMap(({ clips }) => clips);
  const waiting = good.flatMap(({ encode }) => encode ?? []);
  for (const [done, encode] of waiting.entries()) {
    options.signal?.throwIfAborted();
    await encode();
    options.onProgress?.("encoded", done + 1, waiting.length);
  }
  const held = heldOutIndices(clips.length, options.heldOut);
  const part = (keep: boolean) => clips.filter((_, i) => held.has(i) === keep);
  const dataSet = (clips: readonly LatentClip[]) => new DataSet(clips, sizes, options.window);
  const seen = good.find(({ pictures }) => pictures);
  return {
    train: dataSet(part(false)),
    heldOut: held.size > 0 ? dataSet(part(true)) : undefined,
    skipped,
    examples: examplesOf(good, part(held.size > 0)),
    ...(seen && { pictures: seen.pictures }),
  };
}

/** The first clips that are pictures, each once: mirrored ones have the same path. */
function examplesOf(good: readonly Checked[], clips: readonly LatentClip[]): ExampleClip[] {
  const pictures = new Set(good.filter(({ pictures }) => pictures).map(({ path }) => path));
  const byPath = new Map(clips.filter(({ path }) => pictures.has(path)).map((c) => [c.path, c]));
  return [...byPath.values()].slice(0, EXAMPLES);
}

/** A checked clip, or a file of several. */
interface Checked {
  readonly path: string;
  readonly clips: readonly LatentClip[];
  readonly sizes: LatentSizes;
  readonly pictures?: { readonly width: number; readonly height: number };
  /** Must be called before it can be read. */
  readonly encode?: () => Promise<void>;
}

async function checkAll(
  paths: readonly string[],
  options: DataOptions,
): Promise<(Checked | { readonly problem: string })[]> {
  const checks = [];
  for (const [done, path] of paths.entries()) {
    options.signal?.throwIfAborted();
    try {
      const checked = extname(path).toLowerCase() === ".safetensors"
        ? await openLatents(path, options)
        : await openPictures(path, options);
      checks.push(checked);
    } catch (error) {
      const own = error instanceof MediaError || error instanceof CheckpointError;
      if (!own || error instanceof StuckMediaError) throw error; // its thread would run on
      checks.push({ problem: error.message });
    }
    options.onProgress?.("checked", done + 1, paths.length);
  }
  return checks;
}

function splitChecked(
  checks: readonly (Checked | { readonly problem: string })[],
  { skipBad }: DataOptions,
): { good: Checked[]; skipped: string[] } {
  const good = checks.filter((check): check is Checked => !("problem" in check));
  const skipped = checks.flatMap((check) => "problem" in check ? [check.problem] : []);
  if (good.length > 0 && (skipBad || skipped.length === 0)) return { good, skipped };
  const named = skipped.slice(0, MOST_NAMED).join("\n  ");
  const more = skipped.length > MOST_NAMED ? `\n  and ${skipped.length - MOST_NAMED} more` : "";
  if (skipped.length === 1) throw new MediaError(skipped[0]!);
  const hint = good.length > 0 ? "; `skipBad` goes on without them" : "";
  throw new MediaError(
    skipped.length === 0
      ? "Cannot train: there are no clips"
      : `Cannot train on ${skipped.length} of ${checks.length} clips${hint}:\n  ${named}${more}`,
  );
}

function commonSizes(checks: readonly Checked[]): LatentSizes {
  const first = checks[0]!;
  const text = ({ pictures, sizes }: Checked) =>
    pictures ? `${pictures.width}x${pictures.height}` : `latents ${sizes.height}x${sizes.width}`;
  const other = checks.find(({ sizes: { channels, height, width } }) =>
    channels !== first.sizes.channels || height !== first.sizes.height ||
    width !== first.sizes.width
  );
  if (!other) return first.sizes;
  throw new MediaError(
    `Cannot train on clips of different sizes: "${first.path}" is ${text(first)}, ` +
      `"${other.path}" is ${text(other)}; give \`size\``,
  );
}

/** Indices of held-out clips, spread evenly; never all of them. */
export function heldOutIndices(count: number, wanted: number | "auto"): Set<number> {
  const share = wanted === "auto" ? 0.05 : wanted;
  const held = new Set<number>();
  for (let i = 0; i < count; i++) {
    if (Math.floor((i + 1) * share + 1e-9) > Math.floor(i * share + 1e-9)) held.add(i);
  }
  return held.size < count ? held : new Set();
}

async function openLatents(path: string, options: DataOptions): Promise<Checked> {
  const { clips, sizes } = await openLatentFile(path);
  const needed = options.condition.kind !== "none";
  for (const clip of clips) checkLength(clip.path, clip.frames, options.window);
  if (needed && !clips[0]?.classes) throw new MediaError(missingClasses(path, options));
  const strange = clips.flatMap(({ classes }) => [...classes ?? []])
    .find((value) => value < 0 || value >= options.condition.count);
  if (needed && strange !== undefined) {
    const { kind, count } = options.condition;
    throw new MediaError(
      `Cannot use ${kind} ${strange} of "${path}": ${kind}s are the numbers 0 to ${count - 1}`,
    );
  }
  const plain = clips.map(({ classes, ...clip }) => needed ? { ...clip, classes } : clip);
  return { path, clips: plain as LatentClip[], sizes };
}

async function openPictures(path: string, options: DataOptions): Promise<Checked> {
  const encoder = await options.encoder();
  const found = await inspectClip(path, options, encoder);
  checkLength(path, found.frames, options.window);
  checkSize(path, found, options);
  const classes = await classesOf(path, found, options);
  const { width, height } = found;
  const sizes = {
    channels: encoder.channels,
    height: height / encoder.compression,
    width: width / encoder.compression,
  };
  const flips = options.flip ? [false, true] : [false];
  const opened = await Promise.all(
    flips.map((flip) => {
      const pictures = { ...found, resize: options.resize, flip };
      return options.remember
        ? rememberedClip(path, found.frames, pictures)
        : options.cache === undefined
        ? { clip: uncached(path, found.frames, pictures, encoder) }
        : cached(path, found.frames, pictures, options.cache, encoder);
    }),
  );
  const waiting = opened.flatMap((one) => "encode" in one && one.encode ? [one.encode] : []);
  return {
    path,
    sizes,
    pictures: { width, height },
    clips: opened.map(({ clip }) => ({ ...clip, ...(classes && { classes }) })),
    ...(waiting.length > 0 && {
      encode: async () => {
        for (const encode of waiting) await encode();
      },
    }),
  };
}

/** What the check needs of a clip; from the cache if its latents are there. */
type Found = Pick<Clip, "width" | "height" | "actions" | "unusableActions" | "metadata"> & {
  readonly frames: number;
};

async function inspectClip(
  path: string,
  { size, resize, cache }: DataOptions,
  encoder: ClipEncoder,
): Promise<Found> {
  if (size && cache !== undefined) {
    const place = await cachePath(cache, path, encoder, { ...size, resize, flip: false });
    const known = await openCached(place);
    if (known) {
      const actions = known.metadata.get("actions");
      return {
        ...size,
        frames: known.clips[0]!.frames,
        actions: actions === undefined ? undefined : JSON.parse(actions) as number[],
        metadata: Object.fromEntries(known.metadata),
      };
    }
  }
  const clip = size ? await readPictures(path, { ...size, resize }) : await readClip(path);
  const { width, height, actions, metadata } = clip;
  return { width, height, actions, metadata, frames: clip.frames.length };
}

function checkLength(path: string, frames: number, window: WindowOptions): void {
  if (windowPlaces(frames, window) >= 1) return;
  const { frames: wanted, interval } = window;
  const every = interval > 1 ? `, one in ${interval}` : "";
  throw new MediaError(
    `Cannot train on "${path}": it has ${frames} ${frames === 1 ? "frame" : "frames"}, and a ` +
      `window of ${wanted}${every} needs ${(wanted - 1) * interval + 1}; give fewer \`frames\``,
  );
}

function checkSize(path: string, { width, height }: Found, { multiple }: DataOptions): void {
  if (width % multiple === 0 && height % multiple === 0) return;
  throw new MediaError(
    `Cannot train on "${path}": ${width}x${height} is not a multiple of ${multiple}; ` +
      "give `size`",
  );
}

async function classesOf(
  path: string,
  found: Found,
  options: DataOptions,
): Promise<Int32Array | undefined> {
  const { condition, names, numbers } = options;
  const known = { count: condition.count, ...(names && { names }), ...(numbers && { numbers }) };
  if (condition.kind === "none") return undefined;
  const classes = condition.kind === "action"
    ? await clipActions({ path, ...found }, known)
    : await clipLabel(path, known);
  if (classes) return classes;
  throw new MediaError(missingClasses(path, options));
}

function missingClasses(path: string, { condition }: DataOptions): string {
  return condition.kind === "action"
    ? `Cannot train on "${path}": it has no actions; put them next to it in a .json, .txt, .csv or ` +
      ".npz of the same name"
    : `Cannot train on "${path}": it has no label; name its folder by the label, or put the label ` +
      "in a .txt of the same name";
}

async function cached(
  path: string,
  frames: number,
  pictures: PictureOptions,
  cache: string,
  encoder: ClipEncoder,
): Promise<{ clip: LatentClip; encode?: () => Promise<void> }> {
  const place = await cachePath(cache, path, encoder, pictures);
  const encode = async () => {
    await encodeToCache(place, await readPictures(path, pictures), encoder, pictures.flip);
  };
  const known = await openCached(place);
  const read: LatentClip["read"] = async (...window) => {
    const file = await openLatentFile(place);
    return await file.clips[0]!.read(...window);
  };
  return { clip: { path, frames, read }, ...(known ? {} : { encode }) };
}

function uncached(
  path: string,
  frames: number,
  pictures: PictureOptions,
  encoder: ClipEncoder,
): LatentClip {
  const read: LatentClip["read"] = async (start, count, stride) =>
    await encodeFrames(
      await readPictures(path, pictures, { start, count, stride }),
      encoder,
      pictures.flip,
    );
  return { path, frames, read };
}
