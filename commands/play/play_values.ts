import type { Values } from "../../cli/option.ts";
import { drawSeed, type GenerateValues, withDefaults } from "../../request/request.ts";
import { type PLAY_OPTIONS, STEPS } from "./spec.ts";

/** Options of `far play`. */
export type PlayValues = Values<typeof PLAY_OPTIONS>;

/** Adds the model's defaults, except for a video's length, which does not apply here. */
export function withModelDefaults(given: PlayValues, json: unknown, folder: string): PlayValues {
  const { context, contextFrames, contextStart, contextStride, label, size, ...rest } =
    withDefaults(given as GenerateValues, json, folder);
  const { guidance, solver, flexrope, dtype, positions, timesteps, windowCache } = rest;
  // a model that was distilled to fewer steps says so
  const { seed = 0n, steps = Math.min(STEPS, rest.steps ?? STEPS) } = given;
  const chosen = { context, contextFrames, contextStart, contextStride, label, size, dtype };
  const sampling = { steps, guidance, solver, flexrope, seed: seed === -1n ? drawSeed() : seed };
  return { ...given, ...chosen, ...sampling, positions, timesteps, windowCache };
}
