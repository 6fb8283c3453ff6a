import type { ModelInfo } from "../mod.ts";
import { UsageError } from "../cli/errors.ts";
import { optionName } from "../cli/option.ts";
import { readActionLists } from "./action_file.ts";
import { allowed, type Classes, fitLength, parseClassList, planActions } from "./actions.ts";
import { checkGuidance } from "./model_warnings.ts";
import type { GenerateValues } from "./options.ts";
import type { Source } from "./sources.ts";

/** An option that may not fit. */
type Field = keyof GenerateValues & string;

/** Where refusals go: a command throws the first one, a batch collects them all. */
export interface Findings {
  /** Runs a check whose refusal is about this option. @returns undefined if it was refused */
  check<T>(field: Field, run: () => T | Promise<T>): Promise<T | undefined>;
  /** The value does not fit the model. */
  refuse(field: Field, why: string): void;
  /** There is no value, but one is needed. @param what is missing: `a label` */
  missing(field: Field, what: string): void;
}

/** Findings of a single run: the first one is thrown. */
export const THROWN: Findings = {
  check: async (_, run) => await run(),
  refuse: (field, why) => {
    throw new UsageError(`Cannot use --${optionName(field)}: ${why}`);
  },
  missing: (field, what) => {
    throw new UsageError(`Give ${what}: --${optionName(field)}`);
  },
};

/** What is known of a run's context: all of it once it is read, little before. */
export interface KnownContext {
  /** Frames of context; undefined if only reading it can tell. */
  readonly frames: number | undefined;
  /** The context, if it was read. */
  readonly source?: Pick<Source, "videos" | "actions">;
}

/** How a run's options fit its model. */
export interface Fit {
  readonly labels: readonly number[] | undefined;
  /** Frames to generate; undefined if that depends on a context that was not read. */
  readonly frames: number | undefined;
  /** One action per frame, context first; undefined without actions or if not known yet. */
  readonly actions: readonly (readonly number[])[] | undefined;
  /** Videos, as far as is known. */
  readonly videos: number;
}

/**
 * Whether a run's options fit its model and each other: the only place that decides it, for a single
 * run whose context was read and for the jobs of a batch before anything is read.
 * @param given the user's options; @param options the same with the model's defaults
 * @throws what `findings` throws
 */
export async function fitRun(
  given: GenerateValues,
  options: GenerateValues,
  info: ModelInfo,
  context: KnownContext,
  findings: Findings,
): Promise<Fit> {
  await findings.check("guidance", () => checkGuidance(options.guidance));
  checkSize(options, info, findings);
  const labels = await fitLabels(options, info, findings);
  const { lists, frames, actions } = await fitFrames(given, options, info, context, findings);
  const has = { labels: labels?.length, videos: context.source?.videos, lists };
  const videos = options.count ?? Math.max(...Object.values(has).map((each = 1) => each));
  await findings.check("count", () => checkCount(videos, has));
  return { labels, frames, actions, videos };
}

/** Checks a size against the model's patches. @throws what `findings` throws */
export function checkSize(
  { size }: Pick<GenerateValues, "size">,
  info: ModelInfo,
  findings: Findings,
): void {
  const { multiple, name } = info;
  if (!size || (size.width % multiple === 0 && size.height % multiple === 0)) return;
  const given = `${size.width}x${size.height}`;
  findings.refuse("size", `both sides must be multiples of ${multiple} for ${name}, not ${given}`);
}

/**
 * Checks that everything given more than once is given once per video.
 * @throws {UsageError}
 */
function checkCount(
  count: number,
  { labels, videos, lists, clips }: Partial<
    Record<"labels" | "videos" | "lists" | "clips", number>
  >,
): void {
  const all = [
    ["labels", labels],
    ["videos of context", videos],
    ["lists of actions", lists],
    ["clips' own actions", clips],
  ];
  for (const [what, has = 1] of all as [string, number?][]) {
    if (has === 1 || has === count) continue;
    throw new UsageError(`Cannot use ${has} ${what} for ${count} videos: give 1 or ${count}`);
  }
}

async function fitLabels(
  { label, guidance }: GenerateValues,
  { name, condition: { kind, count }, labels }: ModelInfo,
  findings: Findings,
): Promise<number[] | undefined> {
  if (kind !== "label") {
    if (label !== undefined) findings.refuse("label", `${name} takes none`);
    return undefined;
  }
  if (label === undefined) {
    if (guidance !== -1) findings.missing("label", `a label, which ${name} needs`);
    return undefined;
  }
  return await findings.check(
    "label",
    () => parseClassList(label, { kind, count, names: labels }),
  );
}

interface FittedFrames {
  /** Lists of actions, if there are any. */
  readonly lists?: number;
  readonly frames?: number;
  readonly actions?: readonly (readonly number[])[];
}

/** The number of frames to generate, and the action of each frame. */
async function fitFrames(
  given: GenerateValues,
  options: GenerateValues,
  info: ModelInfo,
  context: KnownContext,
  findings: Findings,
): Promise<FittedFrames> {
  const needed = "the number of frames to generate";
  if (info.condition.kind !== "action") {
    if (given.actions !== undefined) findings.refuse("actions", `${info.name} takes none`);
    if (options.frames === undefined) findings.missing("frames", needed);
    return { frames: options.frames };
  }
  const { count } = info.condition;
  const classes: Classes = { kind: "action", count, names: info.actions };
  const lists = await findings.check(
    "actions",
    async () =>
      options.actions === undefined ? [] : await readActionLists(options.actions, classes),
  );
  if (!lists) return {}; // refused
  const own = await ownActions(given, lists, context, classes);
  const frames = given.frames ?? (given.actions === undefined ? undefined : lists[0]!.length) ??
    ownFrames(given, lists, own, context) ?? options.frames;
  if (frames === undefined) {
    if (mayHaveOwn(context, lists)) return {};
    findings.missing("frames", needed);
    return {};
  }
  if (lists.length === 0 && options.guidance === -1) return { frames };
  const many = Math.max(lists.length, own?.length ?? 0) || undefined;
  if (context.frames === undefined || mayHaveOwn(context, lists)) return { frames, lists: many };
  const plan = { given, lists, own, context: context.frames, frames, classes };
  const actions = await findings.check("actions", () => planVideos(plan));
  if (actions) checkOwnActions(actions, options, classes);
  return { frames, lists: many, actions };
}

/** Everything that decides the actions of all videos. */
interface VideosPlan {
  readonly given: GenerateValues;
  readonly lists: readonly (readonly number[])[];
  /** The context's own. */
  readonly own: readonly (readonly number[])[] | undefined;
  readonly context: number;
  readonly frames: number;
  readonly classes: Classes;
}

/** One list of actions per video, or one for all. @throws {UsageError} */
function planVideos({ given, lists, own, context, frames, classes }: VideosPlan): number[][] {
  const videos = Math.max(lists.length, own?.length ?? 1);
  checkCount(videos, { lists: lists.length || 1, clips: own?.length });
  return Array.from({ length: videos }, (_, video) => {
    const list = lists[video] ?? lists[0];
    return planActions({
      given: list && given.actions === undefined ? fitLength(list, frames) : list,
      clip: own?.[video] ?? own?.[0],
      context,
      frames,
      classes,
    });
  });
}

/** Whether a context that was not read could have its own actions, and none are given. */
function mayHaveOwn({ frames, source }: KnownContext, lists: readonly unknown[]): boolean {
  return frames !== 0 && source === undefined && lists.length === 0;
}

/** The context's own actions, unless given ones cover all frames. */
async function ownActions(
  given: GenerateValues,
  lists: readonly (readonly number[])[],
  { frames = 0, source }: KnownContext,
  classes: Classes,
): Promise<readonly (readonly number[])[] | undefined> {
  const total = frames + (given.frames ?? 0);
  const coversAll = given.actions !== undefined && lists.every(({ length }) => length === total);
  return coversAll ? undefined : await source?.actions?.(classes);
}

/** Frames for which the user's context goes on with actions of its own. */
function ownFrames(
  given: GenerateValues,
  lists: readonly unknown[],
  own: readonly (readonly number[])[] | undefined,
  { frames = 0 }: KnownContext,
): number | undefined {
  const has = own?.[0]?.length ?? 0;
  if (given.context === undefined || lists.length > 0 || has <= frames) return undefined;
  return has - frames;
}

/** Checks the context's own actions; given lists were already checked. */
function checkOwnActions(
  actions: readonly (readonly number[])[],
  { context }: GenerateValues,
  classes: Classes,
): void {
  const strange = actions.flat().find((action) => !(action >= 0 && action <= classes.count));
  if (strange === undefined) return;
  throw new UsageError(`Cannot use action ${strange} of "${context}": ${allowed(classes)}`);
}
