import {
  ARCHITECTURE_NAMES,
  readJson,
  type TrainedStep,
  type TrainEvent,
  type TrainOptions,
  transformerConfig,
} from "../../app.ts";
import { train } from "../../mod.ts";
import type { Call } from "../../cli/command.ts";
import { interrupted, UsageError } from "../../cli/errors.ts";
import { shellQuote } from "../../cli/settings.ts";
import { didYouMean } from "../../cli/suggest.ts";
import { modelPath } from "../../request/model_path.ts";
import { dryRun } from "./dry_run.ts";
import { releasedRecipe } from "./recipe.ts";
import type { TRAIN_OPTIONS } from "./spec.ts";
import { TrainProgress } from "./train_progress.ts";

/** A call of `far train`. */
type TrainCall = Call<typeof TRAIN_OPTIONS>;

/** Layers that get adapters unless told. */
const TARGETS = ["to_q", "to_k", "to_v", "to_out.0"];

/** `far train CLIPS -o DIR`: trains, or goes on with a run. */
export async function run(call: TrainCall): Promise<void> {
  const { options, terminal, signal } = call;
  const asked = await trainOptions(call);
  if (options.dryRun) return await dryRun(asked, call);
  const progress = new TrainProgress(asked.steps, options, terminal);
  const onEvent = (event: TrainEvent) => progress.event(event);
  let last: TrainedStep | undefined;
  try {
    for await (const step of train({ ...asked, onEvent, signal })) progress.step(last = step);
  } catch (error) {
    const outcome = `the run is saved in ${asked.output}; run the same command again to continue`;
    throw signal.aborted && last ? interrupted(error, outcome) : error;
  } finally {
    progress.stop();
  }
  const result = { output: asked.output, steps: asked.steps, loss: last?.loss };
  if (options.json) await terminal.print(`${JSON.stringify(result, null, 2)}\n`);
  else if (!options.quiet) {
    const loss = last ? `, loss ${progress.mean.toFixed(4)}` : " (it was finished already)";
    await terminal.print(`Wrote ${asked.output}: ${asked.steps} steps${loss}\n`);
  }
}

/** What the command line asks of the library. @throws {UsageError} */
async function trainOptions(call: TrainCall): Promise<TrainOptions> {
  const { options: o, operands } = call;
  if (operands.length === 0) throw new UsageError("Give clips to train on");
  if (!o.output) throw new UsageError("Give a folder for the run: --output DIR");
  const recipe = o.preset === undefined ? undefined : releasedRecipe(o.preset);
  const config = recipe?.config ?? await givenConfig(call);
  if (!o.model && !config) {
    throw new UsageError("Give what to train: --model, or --architecture and --vae");
  }
  if (!o.model && !o.vae) throw new UsageError("Give the autoencoder to use: --vae MODEL");
  const steps = o.steps ?? recipe?.steps;
  if (steps === undefined) throw new UsageError("Give the length of the run: --steps N");
  const { config: _, ...released } = recipe ?? { config: undefined };
  return defined({
    ...released,
    clips: operands,
    output: o.output,
    model: o.model === undefined ? undefined : await modelPath(o.model),
    vae: o.vae === undefined ? undefined : await modelPath(o.vae),
    config,
    steps,
    ...recipeOptions(o),
    ...pick(o, ["from", "size", "resize", "interval", "skipBad", "heldOut", "saveEvery", "keep"]),
    ...pick(o, ["sampleEvery", "validateEvery", "nan", "fps", "backend", "flip"]),
    shuffle: o.noShuffle ? false : undefined,
    cache: o.noCache ? false : undefined,
    names: o.names?.split(",").map((name) => name.trim()),
    command: commandOf(call),
  });
}

function recipeOptions(o: TrainCall["options"]) {
  return {
    ...pick(o, ["batch", "accumulate", "frames", "lr", "weightDecay", "schedule", "warmup"]),
    ...pick(o, ["clip", "ema", "cleanContext", "conditionDropout", "weighting", "dtype"]),
    ...pick(o, ["recompute", "microBatch", "positions", "timesteps"]),
    betas: o.betas === undefined ? undefined : betas(o.betas),
    freeze: o.freeze?.split(","),
    seed: o.seed === undefined ? undefined : Number(o.seed),
    lora: o.lora === undefined
      ? undefined
      : { rank: o.lora, targets: o.targets?.split(",") ?? TARGETS },
  };
}

function betas(text: string): [number, number] {
  const values = text.split(",").map(Number);
  const [first, second] = values;
  const fits = values.length === 2 && values.every((value) => value >= 0 && value < 1);
  if (fits) return [first!, second!];
  throw new UsageError(`Cannot use --betas ${text}: give two numbers from 0 to below 1`);
}

/** The transformer's configuration by name, by file, or both. */
async function givenConfig({ options: { architecture, transformer } }: TrainCall) {
  if (architecture === undefined && transformer === undefined) return undefined;
  if (architecture !== undefined && !ARCHITECTURE_NAMES.includes(architecture)) {
    throw new UsageError(
      `Cannot train "${architecture}"${didYouMean(architecture, ARCHITECTURE_NAMES)}: ` +
        `architectures are ${ARCHITECTURE_NAMES.join(", ")}`,
    );
  }
  const given = transformer === undefined ? {} : await readJson(transformer);
  return transformerConfig(architecture, given);
}

/** The command line without what only concerns this time. */
function commandOf({ options, operands }: TrainCall): string {
  const words = ["far train", ...operands.map(shellQuote)];
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || key === "quiet" || key === "verbose" || key === "json") continue;
    const name = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const text = typeof value === "object" && "width" in value
      ? `${value.width}x${value.height}`
      : String(value);
    words.push(value === true ? name : `${name} ${shellQuote(text)}`);
  }
  return words.join(" ");
}

function pick<T extends object, K extends keyof T>(object: T, keys: readonly K[]): Pick<T, K> {
  const entries = keys.filter((key) => object[key] !== undefined).map((key) => [key, object[key]]);
  return Object.fromEntries(entries) as Pick<T, K>;
}

function defined<T extends object>(object: T): T {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as T;
}
