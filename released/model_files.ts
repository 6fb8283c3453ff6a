/** The small files of a model folder, as FARPipeline.save_pretrained writes them. */
import { EVEN, type NoiseSchedule } from "../model/scheduler.ts";
import { scheduleEntries } from "../model/scheduler_config.ts";
import { CheckpointError } from "../files/errors.ts";
import type { JsonObject } from "../files/json.ts";
import { parseAutoencoderConfig } from "../model/autoencoder_config.ts";
import { isLong, parseTransformerConfig } from "../model/config.ts";
import { checkedConfig } from "./architecture.ts";
import { architectureConfig, type ArchitectureName, ARCHITECTURES } from "./presets.ts";

/** The version of diffusers that writes such files. */
const DIFFUSERS = "0.32.2";

/** Architectures that can be named: the released sizes, and the classes with their defaults. */
export const ARCHITECTURE_NAMES: readonly string[] = [
  ...Object.keys(ARCHITECTURES),
  "FAR",
  "FAR_Long",
];

/** model_index.json for a transformer of FAR or FAR_Long. */
export function modelIndex(transformer: JsonObject): JsonObject {
  const [module, name] = isLong(transformer)
    ? ["far.models.far_long_model", "FAR_Long"]
    : ["far.models.far_model", "FAR"];
  return {
    _class_name: "FARPipeline",
    _diffusers_version: DIFFUSERS,
    scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    transformer: [module!, name!],
    vae: ["far.models.autoencoder_dc_model", "MyAutoencoderDC"],
  };
}

/** scheduler_config.json of every released model, or of one with other noise levels. */
export function schedulerConfig(noise: NoiseSchedule = EVEN): JsonObject {
  return {
    _class_name: "FlowMatchEulerDiscreteScheduler",
    _diffusers_version: DIFFUSERS,
    base_image_seq_len: 256,
    base_shift: 0.5,
    invert_sigmas: false,
    max_image_seq_len: 4096,
    max_shift: 1.15,
    num_train_timesteps: 1000,
    ...scheduleEntries(noise),
    use_beta_sigmas: false,
    use_dynamic_shifting: false,
    use_exponential_sigmas: false,
    use_karras_sigmas: false,
  };
}

/**
 * A complete transformer/config.json from the user's entries.
 * @param architecture one of {@linkcode ARCHITECTURE_NAMES}; else the class of `given`
 * @param given entries that differ from the architecture's
 * @throws {CheckpointError} BadConfig: an unknown name or entry, or they contradict each other
 */
export function transformerConfig(architecture: string | undefined, given: JsonObject): JsonObject {
  const base = baseConfig(
    architecture ?? (checkedConfig(() => isLong(given)) ? "FAR_Long" : "FAR"),
  );
  const long = base.context_patch_size !== undefined;
  if (architecture && given._class_name !== undefined && isLong(given) !== long) {
    bad(`${architecture} does not have the class ${given._class_name}`);
  }
  const own = Object.entries(given).filter(([name]) => !name.startsWith("_"));
  const entries = { condition_cfg: null, ...base, ...Object.fromEntries(own) };
  const config = named(long ? "FAR_Long" : "FAR", entries);
  checkedConfig(() => parseTransformerConfig(config));
  return config;
}

function baseConfig(architecture: string): JsonObject {
  if (architecture === "FAR") return architectureConfig("FAR_B");
  if (architecture === "FAR_Long") return architectureConfig("FAR_B_Long");
  if (Object.hasOwn(ARCHITECTURES, architecture)) {
    return architectureConfig(architecture as ArchitectureName);
  }
  bad(`${JSON.stringify(architecture)} is not one of ${ARCHITECTURE_NAMES.join(", ")}`);
}

/**
 * A complete vae/config.json from the user's entries.
 * @throws {CheckpointError} BadConfig: an unknown class or entry
 */
export function vaeConfig(given: JsonObject): JsonObject {
  checkedConfig(() => parseAutoencoderConfig(given));
  const own = Object.entries(given).filter(([entry]) => !entry.startsWith("_"));
  return named("MyAutoencoderDC", Object.fromEntries(own));
}

function named(className: string, entries: JsonObject): JsonObject {
  const sorted = Object.entries(entries).sort(([a], [b]) => a < b ? -1 : 1);
  return {
    _class_name: className,
    _diffusers_version: DIFFUSERS,
    ...Object.fromEntries(sorted),
  };
}

/** A configuration as diffusers writes it. */
export function configText(config: JsonObject): string {
  return `${JSON.stringify(config, null, 2)}\n`;
}

function bad(why: string): never {
  throw new CheckpointError(`Cannot use this configuration: ${why}`, { reason: "BadConfig" });
}
