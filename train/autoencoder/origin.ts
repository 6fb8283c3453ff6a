import type { JsonObject } from "../../files/json.ts";
import { type AutoencoderSizes, parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import { autoencoderShapes, type Shapes } from "../../released/architecture.ts";
import type { LpipsNetwork } from "../../metrics/lpips.ts";
import { openLpips } from "../../metrics/lpips_files.ts";
import { openModelFolder } from "../../weights/model_folder.ts";
import { weightsOf } from "../origin.ts";
import type { ParameterSource } from "../settings.ts";
import type { AutoencoderOptions } from "./options.ts";

/** What the training of an autoencoder starts from. */
export interface AutoencoderOrigin {
  readonly config: JsonObject;
  readonly sizes: AutoencoderSizes;
  readonly shapes: Shapes;
  readonly initial: ParameterSource | "init";
  readonly perceptual?: LpipsNetwork | undefined;
}

/**
 * Reads what a run starts from: a model's autoencoder, or a configuration.
 * @throws {CheckpointError} a model that cannot be read
 * @throws {TypeError} neither, both but different, or a configuration that is not supported
 */
export async function readAutoencoderOrigin(
  { model, config: given, lpips }: Pick<AutoencoderOptions, "model" | "config" | "lpips">,
): Promise<AutoencoderOrigin> {
  if (!model && !given) throw new TypeError("Say what to train: give a model or a configuration");
  const base = model === undefined ? undefined : (await openModelFolder(model)).vae;
  const config = given ?? base!.config;
  const shapes = autoencoderShapes(config);
  if (base && given) {
    const theirs = autoencoderShapes(base.config);
    const wrong = [...shapes].find(([name, shape]) => theirs.get(name)?.join() !== shape.join());
    if (wrong || theirs.size !== shapes.size) {
      throw new TypeError(
        `Cannot train "${model}" further: it has another architecture than the one given`,
      );
    }
  }
  return {
    config,
    sizes: parseAutoencoderConfig(config),
    shapes,
    initial: base ? weightsOf(base) : "init",
    perceptual: lpips && await openLpips(lpips),
  };
}
