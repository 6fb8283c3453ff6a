import type { GenerateOptions, ModelInfo, Pipeline, RunPlan } from "../mod.ts";
import { formatClassList } from "./actions.ts";
import { fitRun, THROWN } from "./fit.ts";
import { checkGuidance } from "./model_warnings.ts";
import { releasedSize } from "./picture_size.ts";
import { parseModelDefaults } from "./model_defaults.ts";
import { UsageError } from "../cli/errors.ts";
import { decidingOptions, type Size } from "../cli/option.ts";
import { GENERATE_OPTIONS, type GenerateValues } from "./options.ts";
import { defined, jsonOf, type Settings, type SettingValue } from "../cli/settings.ts";
import { VERSION } from "../cli/version.ts";
import { readNoise, readSource, type Source } from "./sources.ts";

export type { GenerateValues };

/** What to generate, with the model's defaults filled in and all sources read. */
export interface Request {
  readonly generate: GenerateOptions;
  readonly source: Source | undefined;
  /**
   * One per frame, context first, if the model takes actions: one list for all videos, or one each.
   */
  readonly actions: readonly (readonly number[])[] | undefined;
  readonly fps: number;
  readonly seed: bigint;
  /** Options as given or by default; paths of the defaults are absolute. */
  readonly options: GenerateValues;
}

/**
 * Adds the model's defaults to the user's options. The user's context, or none by `--context-frames
 * 0` or `--size`, replaces the default context; the user's actions or context replace the default
 * actions. The choice of frames belongs to the default context; in a model without one, it applies
 * to any context.
 * @param folder of the model: paths in its defaults are relative to it
 * @throws {TypeError} defaults that a model may not have
 */
export function withDefaults(
  given: GenerateValues,
  json: unknown,
  folder: string,
): GenerateValues {
  const { context, contextFrames, contextStart, contextStride, actions, ...rest } =
    parseModelDefaults(json, folder);
  const defaults: GenerateValues = rest;
  const without = given.context !== undefined || given.contextFrames === 0 || given.size;
  const picked = defined({ contextFrames, contextStart, contextStride });
  if (!without && context !== undefined) {
    Object.assign(defaults, picked, { context });
  } else if (given.context !== undefined && context === undefined) Object.assign(defaults, picked);
  if (given.actions !== undefined) delete defaults.frames; // as many as actions
  else if (given.context === undefined && actions !== undefined) defaults.actions = actions;
  return { ...defaults, ...given };
}

/**
 * Reads context, actions, label and noise, and resolves the remaining options.
 * @param given the user's options; @param options the same with the model's defaults
 * @throws {UsageError} options that do not fit the model or each other
 */
export async function buildRequest(
  given: GenerateValues,
  options: GenerateValues,
  info: ModelInfo,
): Promise<Request> {
  checkGuidance(options.guidance); // before a context is read, which takes time
  const source = await readContext(given, options, info);
  const context = source?.frames ?? 0;
  const fit = await fitRun(given, options, info, { frames: context, source }, THROWN);
  const { labels, actions, videos: count } = fit;
  const frames = fit.frames!; // known, since the context was read
  const size = source ?? pictureSize(options, info);
  const seed = options.seed === -1n ? drawSeed() : options.seed ?? 0n;
  const { channels, compression } = info;
  const latents = [channels, size.height / compression, size.width / compression];
  const noise = options.noise === undefined
    ? undefined
    : await readNoise(options.noise, [count, frames, ...latents]);
  const generate: GenerateOptions = {
    frames,
    count,
    context: source?.data,
    contextFrames: context,
    width: size.width,
    height: size.height,
    actions: actions?.length === 1 ? actions[0] : actions,
    labels,
    steps: options.steps,
    solver: options.solver,
    guidance: options.guidance,
    seed,
    rng: options.rng,
    noise,
    positions: options.positions,
    timesteps: options.timesteps,
    windowCache: options.windowCache,
    cache: !options.noCache,
  };
  return { generate, source, actions, fps: options.fps ?? info.fps, seed, options };
}

/** The model's picture size: from far.json, or that of the released models. */
export function pictureSize(options: { readonly size?: Size }, info: ModelInfo): Size {
  return options.size ?? releasedSize(info);
}

/**
 * Reads the context. A requested size applies even to a context that fits; the model's default
 * number of frames is required only if the user asked for it.
 */
async function readContext(
  given: GenerateValues,
  options: GenerateValues,
  info: ModelInfo,
): Promise<Source | undefined> {
  const { context, contextFrames, contextStart, contextStride } = options;
  if (context === undefined || contextFrames === 0) {
    const stray = contextFrames || contextStart !== undefined || contextStride !== undefined;
    if (stray) throw new UsageError("Cannot pick context frames: give --context");
    return undefined;
  }
  return await readSource(context, {
    start: contextStart,
    stride: contextStride,
    count: contextFrames,
    upTo: given.contextFrames === undefined,
    fit: {
      ...pictureSize(options, info),
      multiple: info.multiple,
      always: given.size !== undefined,
      resize: options.resize,
    },
  });
}

/** 32 random bits: PyTorch's CPU generator uses no more of a seed. */
export function drawSeed(): bigint {
  return BigInt(crypto.getRandomValues(new Uint32Array(1))[0]!);
}

/**
 * The record stored in the outputs: every option that affects frames or files, as given or
 * resolved. A default context is left to the model.
 */
export function settingsOfRequest(
  request: Request,
  given: GenerateValues,
  plan: RunPlan,
  { dtype, info }: Pick<Pipeline, "dtype" | "info">,
): Settings {
  const values: Parameters<typeof jsonOf>[0] = {
    ...request.options,
    ...resolvedOptions(request, given, plan, info),
    dtype,
  };
  const keys = Object.keys(decidingOptions(GENERATE_OPTIONS));
  const options = jsonOf(Object.fromEntries(keys.map((key) => [key, values[key]])));
  return { command: "generate", version: VERSION, options };
}

/** Options that the run has resolved or stores in another form. */
function resolvedOptions(
  { options, source, seed, actions, generate, fps }: Request,
  given: GenerateValues,
  plan: RunPlan,
  info: ModelInfo,
): Partial<Record<keyof GenerateValues, SettingValue | bigint | Size>> {
  const named = actions?.length === 1 ? nameable(actions[0]!, plan, info) : undefined;
  const size = source ? given.size : options.size;
  return {
    model: options.model ?? "demo",
    context: given.context,
    contextFrames: given.context ? plan.contextFrames : given.contextFrames,
    contextStart: given.contextStart,
    contextStride: given.contextStride,
    resize: given.context ? options.resize : undefined,
    // a file with one list per video has no notation on the command line
    actions: named ? formatClassList(named, info.actions) : actions && options.actions,
    frames: plan.generatedFrames,
    size,
    count: generate.count === 1 ? undefined : generate.count,
    fps,
    steps: plan.steps,
    guidance: plan.guidance,
    solver: options.solver ?? "euler",
    positions: options.positions ?? unlessExact(info.positions),
    timesteps: options.timesteps ?? unlessExact(info.timesteps),
    seed: options.noise ? undefined : seed,
    rng: options.noise ? undefined : options.rng ?? "torch",
  };
}

function unlessExact(rounding: ModelInfo["positions"]): "bf16" | undefined {
  return rounding === "exact" ? undefined : rounding;
}

/**
 * All actions, or only those of generated frames if the context's cannot be written as a list,
 * since the null action has no name. If the generated frames have it too, all actions are the
 * context's own.
 */
function nameable(
  actions: readonly number[],
  plan: RunPlan,
  info: ModelInfo,
): readonly number[] | undefined {
  const fits = (list: readonly number[]) => list.every((action) => action < info.condition.count);
  return [actions, actions.slice(plan.contextFrames)].find(fits);
}
