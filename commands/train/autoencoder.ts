import {
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
  type JsonObject,
  readJson,
} from "../../app.ts";
import type { AutoencoderOptions } from "../../app_large.ts";
import { UsageError } from "../../cli/errors.ts";
import { optionName } from "../../cli/option.ts";
import { defined } from "../../cli/settings.ts";
import { didYouMean } from "../../cli/suggest.ts";
import { modelPath } from "../../request/model_path.ts";
import { lossOptions } from "./loss.ts";
import { sharedOptions } from "./shared_options.ts";
import type { TrainCall } from "./spec.ts";
import { isWorldCall } from "./world.ts";

type TrainOption = keyof TrainCall["options"];

/** Options only for transformers, and options only for autoencoders. */
const OF_TRANSFORMERS: readonly TrainOption[] = [
  ...["vae", "preset", "transformer", "lora", "targets", "names"] as const,
  ...["cleanContext", "conditionDropout", "weighting", "positions", "timesteps"] as const,
  "distill",
];
const OF_AUTOENCODERS: readonly TrainOption[] = [
  ...["vaeConfig", "loss", "lpips", "latentNoise"] as const,
  ...["discStart", "discWeight", "discFilters"] as const,
];
/** And those of a whole world. */
const OF_WORLDS: readonly TrainOption[] = ["modelSize", "vaeSteps"];

/** @throws {UsageError} options of one kind with the other */
export function checkKind({ options }: TrainCall): void {
  const given = (names: readonly TrainOption[]) =>
    names.find((name) => options[name] !== undefined);
  const world = isWorldCall({ options });
  const foreign = options.autoencoder ? OF_TRANSFORMERS : OF_AUTOENCODERS;
  const strange = given(world ? ["vaeConfig"] : foreign);
  const chosen = world ? undefined : given(OF_WORLDS);
  if (chosen !== undefined) {
    throw new UsageError(`Cannot use --${optionName(chosen)}: the sizes of the model are given`);
  }
  if (strange === undefined) return;
  const flag = `--${optionName(strange)}`;
  throw new UsageError(
    options.autoencoder
      ? `Cannot use ${flag} with --autoencoder: it is for transformers`
      : `Cannot use ${flag} without --autoencoder`,
  );
}

/** Library options for `far train --autoencoder`. @throws {UsageError} */
export async function autoencoderOptions(call: TrainCall): Promise<AutoencoderOptions> {
  const { options: o } = call;
  const config = await givenConfig(call);
  if (!o.model && !config) {
    throw new UsageError(
      "Give the autoencoder to train: --architecture 8x, 16x or 32x, --vae-config, or --model",
    );
  }
  if (o.dtype === "f16") {
    throw new UsageError("Cannot train an autoencoder in f16: use --dtype f32");
  }
  return defined({
    ...sharedOptions(call),
    model: o.model === undefined ? undefined : await modelPath(o.model),
    config,
    ...lossOptions(call),
  });
}

/** The autoencoder's configuration, by a released name or from a file. */
async function givenConfig(
  { options: { architecture, vaeConfig } }: TrainCall,
): Promise<JsonObject | undefined> {
  if (vaeConfig !== undefined) return await readJson(vaeConfig);
  if (architecture === undefined) return undefined;
  const names = Object.keys(COMPRESSION) as AutoencoderName[];
  const name = names.find((known) => known === architecture);
  if (name) return autoencoderConfig(name);
  throw new UsageError(
    `Cannot train autoencoder "${architecture}"${didYouMean(architecture, names)}: ` +
      `architectures are ${names.join(", ")}`,
  );
}
