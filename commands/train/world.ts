import type { TrainPlan } from "../../app.ts";
import {
  addStartClips,
  planWorld,
  trainAutoencoder,
  type TrainEvent,
  type WorldOptions,
  type WorldPlan,
} from "../../app_large.ts";
import { train } from "../../mod.ts";
import { orAborted } from "../../cli/abort.ts";
import { UsageError } from "../../cli/errors.ts";
import { optionName } from "../../cli/option.ts";
import { duration } from "../../cli/progress.ts";
import { defined } from "../../cli/settings.ts";
import { count } from "../../request/report.ts";
import { follow } from "./follow.ts";
import { lossOptions } from "./loss.ts";
import { pick, sharedOptions } from "./shared_options.ts";
import type { TrainCall } from "./spec.ts";
import { TrainProgress } from "./train_progress.ts";

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
  const plan = await orAborted(planWorld({ ...worldOptions(call), onEvent, signal }), signal);
  const text = options.json ? JSON.stringify(summary(plan), null, 2) : describe(plan);
  if (options.dryRun) return await terminal.print(`${text}\n`);
  if (!options.quiet && !options.json) { for (const line of text.split("\n")) terminal.note(line); }
  const { autoencoder, world } = plan;
  const parts = [autoencoder.options.steps, world.options.steps] as const;
  announce(call, 1, `the autoencoder, ${autoencoder.options.output}`);
  await follow(
    call,
    { steps: parts[0], unit: "pictures" },
    (hooks) => trainAutoencoder({ ...autoencoder.options, ...hooks }),
  );
  announce(call, 2, `the transformer, ${world.options.output}`);
  const { mean: loss } = await follow(
    call,
    { steps: parts[1], unit: "videos" },
    (hooks) => train({ ...world.options, ...hooks }),
  );
  await addStartClips(plan);
  const { output } = world.options;
  if (options.json) await terminal.print(`${JSON.stringify({ output, loss }, null, 2)}\n`);
  else if (!options.quiet) {
    await terminal.print(`Wrote ${output}: far play -m ${output} plays it\n`);
  }
}

function announce({ options, terminal }: TrainCall, part: 1 | 2, what: string): void {
  if (options.progress === "json") {
    terminal.note(JSON.stringify({ event: "part", part, parts: 2 }));
  } else if (!options.quiet) terminal.note(`${part} of 2: ${what}`);
}

/** @throws {UsageError} */
function worldOptions(call: TrainCall): WorldOptions {
  const { options: o } = call;
  const strange = TOO_FINE.find((name) => o[name] !== undefined && o[name] !== false);
  if (strange) {
    const flag = `--${optionName(strange)}`;
    throw new UsageError(
      `Cannot use ${flag} for an autoencoder and a transformer at once: say what to train by ` +
        "--autoencoder, --model, or --architecture and --vae",
    );
  }
  const { steps: _, ...shared } = sharedOptions(call, o.steps ?? 1);
  return {
    ...defined(shared),
    ...pick(o, ["steps", "vaeSteps"]),
    ...lossOptions(call),
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
  return `${parameters} parameters, ${memory}, ${count(steps, "step")} in about ${
    duration(seconds)
  }`;
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
