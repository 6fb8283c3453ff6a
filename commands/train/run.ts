import { ARCHITECTURE_NAMES, readJson, transformerConfig } from "../../app.ts";
import {
  previewAutoencoder,
  previewTraining,
  trainAutoencoder,
  type TrainOptions,
} from "../../app_large.ts";
import { train } from "../../mod.ts";
import { UsageError } from "../../cli/errors.ts";
import { defined } from "../../cli/settings.ts";
import { didYouMean } from "../../cli/suggest.ts";
import { modelPath } from "../../request/model_path.ts";
import { count } from "../../request/report.ts";
import { autoencoderOptions, checkKind } from "./autoencoder.ts";
import { checkDistillation, distillOptions } from "./distill.ts";
import { dryRun } from "./dry_run.ts";
import { follow } from "./follow.ts";
import { releasedRecipe } from "./recipe.ts";
import type { TrainJob } from "./job.ts";
import { pick, sharedOptions } from "./shared_options.ts";
import type { TrainCall } from "./spec.ts";
import { isWorldCall, runWorld } from "./world.ts";

/** Default layers for adapters. */
const TARGETS = ["to_q", "to_k", "to_v", "to_out.0"];

/** `far train CLIPS -o DIR`: trains, or continues a run. */
export async function run(call: TrainCall): Promise<void> {
  const { options, terminal } = call;
  checkKind(call);
  checkDistillation(call);
  if (isWorldCall(call)) return await runWorld(call);
  const job = options.autoencoder ? await autoencoderJob(call) : await worldJob(call);
  const { asked } = job;
  if (options.dryRun) return await dryRun(job, call);
  const how = { steps: asked.steps, unit: job.unit };
  const { last, mean } = await follow(call, how, (hooks) => job.train(hooks));
  const result = { output: asked.output, steps: asked.steps, loss: last?.loss };
  if (options.json) await terminal.print(`${JSON.stringify(result, null, 2)}\n`);
  else if (!options.quiet) {
    const loss = last ? `, loss ${mean.toFixed(4)}` : " (it was finished already)";
    await terminal.print(`Wrote ${asked.output}: ${count(asked.steps, "step")}${loss}\n`);
  }
}

async function worldJob(call: TrainCall): Promise<TrainJob> {
  const asked = await trainOptions(call);
  return {
    asked,
    unit: "videos",
    preview: () => previewTraining(asked),
    train: (how) => train({ ...asked, ...how }),
  };
}

async function autoencoderJob(call: TrainCall): Promise<TrainJob> {
  const asked = await autoencoderOptions(call);
  return {
    asked,
    unit: "pictures",
    preview: () => previewAutoencoder(asked),
    train: (how) => trainAutoencoder({ ...asked, ...how }),
  };
}

/** Library options for the command line. @throws {UsageError} */
async function trainOptions(call: TrainCall): Promise<TrainOptions> {
  const { options: o } = call;
  const recipe = o.preset === undefined ? undefined : releasedRecipe(o.preset);
  const shared = sharedOptions(call, o.steps ?? recipe?.steps);
  const config = recipe?.config ?? await givenConfig(call);
  if (!o.model && !config) {
    throw new UsageError("Give what to train: --model, or --architecture and --vae");
  }
  if (!o.model && !o.vae) throw new UsageError("Give the autoencoder to use: --vae MODEL");
  const { config: _, ...released } = recipe ?? { config: undefined };
  return defined({
    ...released,
    ...defined(shared),
    model: o.model === undefined ? undefined : await modelPath(o.model),
    vae: o.vae === undefined ? undefined : await modelPath(o.vae),
    config,
    ...pick(o, ["cleanContext", "conditionDropout", "weighting", "dtype"]),
    ...pick(o, ["positions", "timesteps"]),
    distill: distillOptions(call),
    lora: o.lora === undefined
      ? undefined
      : { rank: o.lora, targets: o.targets?.split(",") ?? TARGETS },
    names: o.names?.split(",").map((name) => name.trim()),
  });
}

/** The transformer's configuration by name, from a file, or both. */
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
