import { isObject, openModelFolder } from "../../app.ts";
import { type ModelInfo, type Preset, PRESETS } from "../../mod.ts";
import { UsageError } from "../../cli/errors.ts";
import type { Values } from "../../cli/option.ts";
import { didYouMean } from "../../cli/suggest.ts";
import { modelPath } from "../../request/model_path.ts";
import { withDefaults } from "../../request/request.ts";
import { modelInfo } from "../../request/with_pipeline.ts";
import type { EVALUATE_OPTIONS } from "./spec.ts";

export type EvaluateValues = Values<typeof EVALUATE_OPTIONS>;

/** The test protocol of a model. */
export interface Protocol {
  /** Its name as given, and its folder. */
  readonly model: string;
  readonly folder: string;
  readonly info: ModelInfo;
  /** Actions and their inverses by index, if far.json has any. */
  readonly inverses: ReadonlyMap<number, number>;
  /** The released run with this protocol, by its name or the model's. */
  readonly preset: Preset | undefined;
  readonly context: number;
  readonly frames: number;
  readonly start: number;
  readonly stride: number;
  readonly steps: number | undefined;
  readonly guidance: number | undefined;
  readonly seeds: readonly string[];
  readonly trajectories: number;
  readonly returns: number | undefined;
  readonly agreement: number | undefined;
}

/**
 * The protocol from options, a preset, or the model itself, in this order of precedence.
 * @throws {UsageError} something is missing or does not fit the model
 */
export async function resolveProtocol(model: string, options: EvaluateValues): Promise<Protocol> {
  const preset = options.preset === undefined ? undefined : presetNamed(options.preset);
  const folder = await modelPath(model);
  const info = await modelInfo(folder);
  const { far } = await openModelFolder(folder);
  // the model's own example is not used
  const own = withDefaults({ context: "DATA", resize: options.resize }, info.defaults, folder);
  const context = options.contextFrames ?? preset?.context ?? ownContext(info) ?? 0;
  const frames = options.frames ?? preset?.frames ?? own.frames;
  if (frames === undefined) {
    throw new UsageError(`Give --frames: ${info.name} does not say how many frames to make`);
  }
  const inverses = inversesOf(far?.inverses, info);
  checkTests(options, info, inverses, context);
  return {
    model,
    folder,
    info,
    inverses,
    preset: preset ?? PRESETS.find(({ name }) => name === info.name),
    context,
    frames,
    start: options.contextStart ?? 0,
    stride: options.contextStride ?? preset?.frameInterval ?? 1,
    steps: options.steps ?? (preset ? 50 : own.steps),
    guidance: options.guidance ?? preset?.guidance ?? own.guidance,
    seeds: seedsOf(options.seeds ?? "0"),
    trajectories: options.trajectories ?? 1,
    returns: options.returns,
    agreement: options.agreement,
  };
}

/** @throws {UsageError} there is no such run */
function presetNamed(name: string): Preset {
  const preset = PRESETS.find((preset) => preset.name === name);
  if (preset) return preset;
  const hint = didYouMean(name, PRESETS.map((preset) => preset.name));
  throw new UsageError(`Cannot find preset "${name}"${hint}: far models lists them`);
}

/** Context frames in the model's defaults, whatever their clip. */
function ownContext({ defaults }: ModelInfo): number | undefined {
  const frames = defaults.context_frames ?? defaults["context-frames"] ?? defaults.contextFrames;
  return typeof frames === "number" ? frames : undefined;
}

/** @throws {UsageError} not a seed */
function seedsOf(text: string): string[] {
  return text.split(",").map((word) => {
    const seed = word.trim();
    if (/^\d{1,20}$/.test(seed)) return seed;
    throw new UsageError(`Cannot use --seeds ${text}: "${seed}" is not a whole number`);
  });
}

/**
 * `inverses` of far.json, from names or numbers to indices.
 * @throws {UsageError} an action that the model does not have
 */
export function inversesOf(json: unknown, info: ModelInfo): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  if (json === undefined) return found;
  const wrong = (what: string) =>
    new UsageError(`Cannot use "inverses" of ${info.path}/far.json: ${what}`);
  if (!isObject(json)) throw wrong("it must be an object, an action to its inverse");
  const indexOf = (action: unknown) => {
    const index = info.actions?.indexOf(String(action)) ?? -1;
    if (index >= 0) return index;
    const number = /^\d+$/.test(String(action)) ? Number(action) : NaN;
    if (number < info.condition.count) return number;
    throw wrong(`${JSON.stringify(action)} is not one of the model's actions`);
  };
  for (const [action, inverse] of Object.entries(json)) {
    found.set(indexOf(action), indexOf(inverse));
  }
  return found;
}

/** @throws {UsageError} a test that the model does not support */
function checkTests(
  { returns, agreement }: EvaluateValues,
  { name, condition }: ModelInfo,
  inverses: ReadonlyMap<number, number>,
  context: number,
): void {
  const test = returns !== undefined ? "--returns" : "--agreement";
  if (returns === undefined && agreement === undefined) return;
  if (condition.kind !== "action") {
    throw new UsageError(`Cannot use ${test}: ${name} takes no actions`);
  }
  if (context < 1) throw new UsageError(`Cannot use ${test}: it needs context frames`);
  if (returns !== undefined && inverses.size === 0) {
    throw new UsageError(
      `Cannot use --returns: the far.json of ${name} names no inverses; add, for example, ` +
        `"inverses": {"left": "right", "right": "left"}`,
    );
  }
}
