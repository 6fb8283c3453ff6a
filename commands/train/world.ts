import {
  addStartClips,
  planWorld,
  trainAutoencoder,
  type TrainedStep,
  type TrainEvent,
  type TrainPlan,
  type WorldOptions,
  type WorldPlan,
} from "../../app.ts";
import { train } from "../../mod.ts";
import type { Call } from "../../cli/command.ts";
import { interrupted, UsageError } from "../../cli/errors.ts";
import { duration } from "../../cli/progress.ts";
import { defined, pick, sharedOptions } from "./shared_options.ts";
import type { TRAIN_OPTIONS } from "./spec.ts";
import { TrainProgress } from "./train_progress.ts";

type TrainCall = Call<typeof TRAIN_OPTIONS>;

/** Options that say what to train: without any of them a whole world is made. */
const WHAT = ["autoencoder", "model", "vae", "architecture", "transformer", "preset"] as const;
/** Options of one training only, which has no name here. */
const TOO_FINE = ["from", "freeze", "lora", "targets", "microBatch", "betas", "flip"] as const;

/** Whether a call asks for both models, one after the other. */
export function isWorldCall({ options }: Pick<TrainCall, "options">): boolean {
  return WHAT.every((name) => options[name] === undefined || options[name] === false);
}

/** `far train CLIPS -o DIR`: an autoencoder, then a transformer, in sizes that are chosen. */
export async function runWorld(call: TrainCall): Promise<void> {
  const { options, terminal, signal } = call;
  const progress = new TrainProgress(0, "videos", options, terminal);
  const onEvent = (event: TrainEvent) => progress.event(event);
  const plan = await planWorld({ ...worldOptions(call), onEvent, signal });
  const text = options.json ? JSON.stringify(summary(plan), null, 2) : describe(plan);
  if (options.dryRun) return await terminal.print(`${text}\n`);
  if (!options.quiet && !options.json) { for (const line of text.split("\n")) terminal.note(line); }
  const { autoencoder, world } = plan;
  const first = (how: Hooks) => trainAutoencoder({ ...autoencoder.options, ...how });
  await follow(call, autoencoder.options.steps, "pictures", first);
  const second = (how: Hooks) => train({ ...world.options, ...how });
  const loss = await follow(call, world.options.steps, "videos", second);
  await addStartClips(plan);
  const { output } = world.options;
  if (options.json) await terminal.print(`${JSON.stringify({ output, loss }, null, 2)}\n`);
  else if (!options.quiet) {
    await terminal.print(`Wrote ${output}: far play -m ${output} plays it\n`);
  }
}

/** What a part of the work is told while it runs. */
type Hooks = Pick<WorldOptions, "onEvent" | "signal">;

/** Shows the steps of a training. Returns its mean loss at the end. */
async function follow(
  { options, terminal, signal }: TrainCall,
  steps: number,
  unit: "pictures" | "videos",
  run: (how: Hooks) => AsyncIterable<TrainedStep>,
): Promise<number> {
  const progress = new TrainProgress(steps, unit, options, terminal);
  let last: TrainedStep | undefined;
  try {
    const how = { onEvent: (event: TrainEvent) => progress.event(event), signal };
    for await (const step of run(how)) progress.step(last = step);
  } catch (error) {
    const outcome = `the run is saved in ${options.output}; run the same command again to continue`;
    throw signal.aborted && last ? interrupted(error, outcome) : error;
  } finally {
    progress.stop();
  }
  return progress.mean;
}

/** @throws {UsageError} */
function worldOptions(call: TrainCall): WorldOptions {
  const { options: o } = call;
  const strange = TOO_FINE.find((name) => o[name] !== undefined && o[name] !== false);
  if (strange) {
    const flag = strange.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(
      `Cannot use --${flag} for an autoencoder and a transformer at once: say what to train by ` +
        "--autoencoder, --model, or --architecture and --vae",
    );
  }
  const { steps: _, ...shared } = sharedOptions(call, o.steps ?? 1);
  return {
    ...defined(shared),
    ...pick(o, ["steps", "vaeSteps"]),
    ...(o.modelSize && { scale: o.modelSize }),
    ...(o.names !== undefined && { names: o.names.split(",").map((name) => name.trim()) }),
  };
}

function describe({ survey, compression, autoencoder, world }: WorldPlan): string {
  const { clips, width, height, frames, names } = survey;
  const actions = names ? `; actions ${names.join(", ")}` : "; no actions";
  const { config } = world.options;
  const width64 = 64 * Number(config!.num_attention_heads);
  return [
    `clips        ${clips.length}, ${width}x${height}, the shortest of ${frames} frames${actions}`,
    `autoencoder  ${compression}x, ${partText(autoencoder, autoencoder.options.steps)}`,
    `transformer  ${config!._class_name}, ${config!.num_layers} layers of ${width64}, ` +
    `${world.options.frames} frames a clip, ${partText(world, world.options.steps)}`,
    `time         ${duration(autoencoder.seconds + world.seconds)} in all`,
  ].join("\n");
}

function partText(
  { plan, seconds }: { readonly plan: TrainPlan; readonly seconds: number },
  steps: number,
): string {
  const memory = `${(plan.bytes.total / 1e6).toFixed(1)} MB`;
  const parameters = plan.parameters.toLocaleString("en");
  return `${parameters} parameters, ${memory}, ${steps} ${
    steps === 1 ? "step" : "steps"
  } in about ${duration(seconds)}`;
}

function summary({ survey, compression, autoencoder, world }: WorldPlan) {
  const part = ({ plan, seconds, options: { steps } }: typeof autoencoder | typeof world) => ({
    ...{ plan, steps, seconds },
  });
  const { clips, ...found } = survey;
  return {
    clips: { count: clips.length, ...found },
    compression,
    autoencoder: part(autoencoder),
    transformer: { config: world.options.config, ...part(world) },
  };
}
