import { LiveWorld, type ModelInfo, toRgb } from "../../mod.ts";
import { classIndex } from "../../request/actions.ts";
import type { Source } from "../../request/sources.ts";
import { UsageError } from "../../cli/errors.ts";
import type { GameOptions } from "../../player/game.ts";
import type { PlaySetup } from "./setup.ts";
import { MEMORY_FRAMES } from "./spec.ts";

/**
 * Opens worlds of a game: from a clip's frames, or from noise.
 * @throws {UsageError} a label that the model does not have
 */
export function worldOpener(setup: PlaySetup): GameOptions["open"] {
  const { pipeline, options, clips, size: { width, height } } = setup;
  const { seed, memoryFrames = MEMORY_FRAMES, positions, timesteps } = options;
  const { windowCache = pipeline.info.windowCache } = options;
  return async (clip, settings, label) => {
    const source = await clips.read(clip);
    const frames = source?.frames ?? 0;
    const floats = 3 * width * height;
    const context = source?.data.subarray(0, frames * floats);
    const world = await LiveWorld.start(pipeline, {
      ...settings,
      width,
      height,
      labels: label === undefined ? undefined : [label],
      context,
      contextFrames: frames,
      actions: (await ownActions(source, pipeline.info))?.slice(0, frames),
      seed,
      positions,
      timesteps,
      windowCache,
      memoryFrames,
    });
    const last = context?.subarray((frames - 1) * floats);
    return { world, frames, picture: last && toRgb({ width, height, data: last }) };
  };
}

/** The actions of a clip, if the model takes actions. */
export async function ownActions(
  source: Source | undefined,
  { condition: { kind, count }, actions: names }: ModelInfo,
): Promise<readonly number[] | undefined> {
  if (kind !== "action") return undefined;
  return (await source?.actions?.({ kind, count, names }))?.[0];
}

/** The class for `--label`. @throws {UsageError} the model takes none, or not this one */
export function readLabel(label: string | undefined, info: ModelInfo): number | undefined {
  if (label === undefined) return undefined;
  const { kind, count } = info.condition;
  if (kind !== "label") throw new UsageError(`Cannot use --label: ${info.name} takes none`);
  return classIndex(label, { kind, count, names: info.labels });
}
