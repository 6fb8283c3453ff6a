import type { TrainOptions } from "../../app_large.ts";
import { UsageError } from "../../cli/errors.ts";
import { commandLine, jsonOf, shellQuote } from "../../cli/settings.ts";
import type { TrainCall } from "./spec.ts";

/**
 * Options of every kind of training: clips, folder, length, recipe.
 * @throws {UsageError} something is missing
 */
export function sharedOptions(call: TrainCall, steps = call.options.steps) {
  const { options: o, operands } = call;
  if (operands.length === 0) throw new UsageError("Give clips to train on");
  if (!o.output) throw new UsageError("Give a folder for the run: --output DIR");
  if (steps === undefined) throw new UsageError("Give the length of the run: --steps N");
  return {
    clips: operands,
    output: o.output,
    steps,
    ...pick(o, ["batch", "accumulate", "frames", "lr", "weightDecay", "schedule", "warmup"]),
    ...pick(o, ["clip", "ema", "recompute", "microBatch"]),
    betas: o.betas === undefined ? undefined : betas(o.betas),
    freeze: o.freeze?.split(","),
    seed: o.seed === undefined ? undefined : Number(o.seed),
    ...pick(o, ["from", "size", "resize", "interval", "skipBad", "heldOut", "saveEvery", "keep"]),
    ...pick(o, ["sampleEvery", "validateEvery", "nan", "fps", "backend", "flip"]),
    shuffle: o.noShuffle ? false : undefined,
    cache: o.noCache ? false : undefined,
    command: commandOf(call),
  } satisfies { [K in keyof TrainOptions]?: TrainOptions[K] | undefined };
}

function betas(text: string): [number, number] {
  const values = text.split(",").map(Number);
  const [first, second] = values;
  const fits = values.length === 2 && values.every((value) => value >= 0 && value < 1);
  if (fits) return [first!, second!];
  throw new UsageError(`Cannot use --betas ${text}: give two numbers from 0 to below 1`);
}

/** The command line without options for this run only. */
function commandOf({ options, operands }: TrainCall): string {
  const { quiet: _, verbose: _verbose, json: _json, ...rest } = options;
  const command = ["train", ...operands.map(shellQuote)].join(" ");
  return commandLine({ command, options: jsonOf(rest) });
}

/** The given keys of an object. */
export function pick<T extends object, K extends keyof T>(
  object: T,
  keys: readonly K[],
): Pick<T, K> {
  const entries = keys.filter((key) => object[key] !== undefined).map((key) => [key, object[key]]);
  return Object.fromEntries(entries) as Pick<T, K>;
}
