import { basename, dirname, extname, resolve } from "node:path";
import { UsageError } from "../../cli/errors.ts";
import { isFolder } from "../../cli/folder.ts";
import { parseJsonText } from "../../cli/json_text.ts";
import { readText } from "../../cli/text_file.ts";
import { readActionLists } from "../../request/action_file.ts";
import { count } from "../../request/report.ts";
import { trainedSize } from "../../request/picture_size.ts";
import { readSource, type Source, type SourceOptions } from "../../request/sources.ts";
import type { EvaluateValues, Protocol } from "./protocol.ts";

/** A clip to predict. */
export interface EvaluationClip {
  /** Identifies its predictions: its index and name, `003-walk`. */
  readonly id: string;
  readonly path: string;
  /** File of its actions, if they are not its own, and the actions of the frames used. */
  readonly actions?: string;
  readonly moves?: readonly number[];
  /** Its class, for a model with labels. */
  readonly label?: string;
}

const CLIPS = /\.(npz|npy|safetensors|mp4|mov|webm|mkv|y4m|gif)$/i;

/**
 * The clips of a folder by name, of a list, or a single one.
 * @throws {UsageError} there are none
 */
export async function findClips(data: string): Promise<EvaluationClip[]> {
  const extension = extname(data).toLowerCase();
  const found = await isFolder(data)
    ? await clipsIn(data)
    : extension === ".txt"
    ? (await readText(data, `list "${data}"`)).split("\n").map((line) => line.trim())
      .filter((line) => line !== "").map((path) => ({ path }))
    : extension === ".json"
    ? listed(parseJsonText(await readText(data, `list "${data}"`), `list "${data}"`), data)
    : [{ path: data }];
  if (found.length === 0) throw new UsageError(`Cannot evaluate on "${data}": it has no clips`);
  const digits = String(found.length - 1).length;
  return found.map((clip, i) => ({
    ...clip,
    path: inList(clip.path, data),
    ...("actions" in clip && clip.actions !== undefined
      ? { actions: inList(clip.actions, data) }
      : {}),
    id: `${String(i).padStart(digits, "0")}-${safeName(clip.path)}`,
  }));
}

async function clipsIn(folder: string): Promise<{ path: string }[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const names = entries.map(({ name }) => name).filter((name) => CLIPS.test(name));
  const { compare } = new Intl.Collator("en", { numeric: true });
  return names.sort((a, b) => compare(a, b) || (a < b ? -1 : 1))
    .map((name) => ({ path: resolve(folder, name) }));
}

/**
 * Entries of a list: texts, or objects as in the released lists: `video_path`, `action_path`,
 * `label`.
 */
function listed(json: unknown, data: string): Omit<EvaluationClip, "id">[] {
  if (!Array.isArray(json)) {
    throw new UsageError(`Cannot use list "${data}": it must be a JSON array of clips`);
  }
  return json.map((entry, i) => {
    const { video_path: path, action_path: actions, label } = typeof entry === "string"
      ? { video_path: entry }
      : entry ?? {};
    const isText = (value: unknown) => value === undefined || typeof value === "string";
    const isLabel = label === undefined || typeof label === "string" || Number.isInteger(label);
    if (typeof path !== "string" || !isText(actions) || !isLabel) {
      throw new UsageError(
        `Cannot use list "${data}": entry ${i} must be a path, or have "video_path" and perhaps ` +
          '"action_path" and "label"',
      );
    }
    return { path, actions, ...(label === undefined ? {} : { label: String(label) }) };
  });
}

/** Paths of a list are relative to its folder. */
function inList(path: string, data: string): string {
  return resolve(dirname(data), path);
}

/** A name that is valid on every file system. */
function safeName(path: string): string {
  const name = basename(path).replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "_");
  return name.slice(0, 60) || "clip";
}

/** How clips are read: the same for context and for comparison. */
export function clipOptions(options: EvaluateValues, { info }: Protocol): SourceOptions["fit"] {
  return {
    ...options.size ?? trainedSize(info),
    multiple: info.multiple,
    always: options.size !== undefined,
    resize: options.resize,
  };
}

/**
 * Reads the frames of a clip that the protocol uses, context first.
 * @throws {UsageError} names the clip that is too short
 */
export async function readTruth(
  clip: EvaluationClip,
  protocol: Protocol,
  fit: SourceOptions["fit"],
): Promise<Source> {
  const { context, frames, start, stride } = protocol;
  const wanted = context + frames;
  const source = await readSource(clip.path, { start, stride, count: wanted, upTo: true, fit });
  if (source.frames === wanted) return source;
  throw new UsageError(
    `Cannot evaluate on "${clip.path}": it has ${count(source.frames, "frame")} of the ` +
      `${wanted} that are needed, ${context} of context and ${frames} to compare`,
  );
}

/**
 * Checks before anything runs whether clips are long enough and have what the model needs.
 * @throws {UsageError} lists all problems, one line per clip
 */
export async function checkClips(
  clips: readonly EvaluationClip[],
  protocol: Protocol,
  fit: SourceOptions["fit"],
): Promise<void> {
  const problems: string[] = [];
  const { kind } = protocol.info.condition;
  for (const clip of clips) {
    try {
      const truth = await readTruth(clip, protocol, fit);
      const { videos } = truth;
      const moves = await movesOf(clip, truth, protocol);
      const needs = `Cannot evaluate on "${clip.path}":`;
      if (videos > 1) problems.push(`${needs} it holds ${videos} videos, not one`);
      const unconditional = protocol.guidance === -1;
      if (kind === "action" && !moves && !unconditional) {
        problems.push(`${needs} it has no actions; name a file of them in a .json list`);
      }
      if (kind === "label" && clip.label === undefined) {
        problems.push(`${needs} it has no label; name it in a .json list`);
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
}

/** The action of each used frame: from the clip's list, or its own. */
export async function movesOf(
  { moves }: EvaluationClip,
  { actions }: Source,
  { info: { condition: { kind, count }, actions: names } }: Protocol,
): Promise<readonly number[] | undefined> {
  if (moves || kind !== "action") return moves;
  return (await actions?.({ kind, count, names }))?.[0];
}

/** Clips with the actions from their files. @throws {UsageError} such a file is unusable */
export async function withMoves(
  clips: readonly EvaluationClip[],
  { info, context, frames, start, stride }: Protocol,
): Promise<EvaluationClip[]> {
  const { kind, count } = info.condition;
  if (kind !== "action") return [...clips];
  const classes = { kind, count, names: info.actions };
  return await Promise.all(clips.map(async (clip) => {
    if (clip.actions === undefined) return clip;
    const [list = []] = await readActionLists(clip.actions, classes);
    const moves = list.filter((_, i) => i >= start && (i - start) % stride === 0);
    const wanted = context + frames;
    if (moves.length >= wanted) return { ...clip, moves: moves.slice(0, wanted) };
    throw new UsageError(
      `Cannot use actions "${clip.actions}": they cover ${moves.length} frames, but ${wanted} are needed`,
    );
  }));
}
