import type { OptionTable } from "./option.ts";
import { COMMON_OPTIONS, JSON_OPTION, PROGRESS_OPTION } from "./shared_options.ts";

/** Options of `far convert`. */
export const CONVERT_OPTIONS = {
  transformer: {
    kind: "path",
    value: "FILE",
    help: "weights of the transformer: .pth, .safetensors, or a folder of FAR's trainer",
  },
  vae: { kind: "path", value: "FILE", help: "weights of the autoencoder" },
  preset: { kind: "string", value: "NAME", help: "a released configuration; see `far models`" },
  architecture: { kind: "string", value: "NAME", help: "FAR, FAR_Long, FAR_B, ..., for own runs" },
  config: {
    kind: "path",
    value: "FILE.json",
    default: "the architecture's, else told from the weights",
    help: "configuration of the transformer",
  },
  vaeConfig: {
    kind: "path",
    value: "FILE.json",
    default: "told from the weights",
    help: "configuration of the autoencoder, or 8x, 16x, 32x",
  },
  stateDict: {
    kind: "string",
    value: "KEY",
    default: "the averaged copy, else the model",
    help: "which state dict of a .pth",
  },
  noEma: { kind: "flag", help: "take the model itself where there is an averaged copy" },
  output: { kind: "path", short: "o", value: "DIR", help: "the model folder to write" },
  dtype: {
    kind: "choice",
    choices: ["f32", "f16", "bf16"],
    value: "TYPE",
    default: "as stored",
    help: "cast the weights",
  },
  allowNonFinite: { kind: "flag", help: "let NaN and infinities pass" },
  overwrite: { kind: "flag", help: "replace a folder that is there already" },
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Options of `far pull`. */
export const PULL_OPTIONS = {
  dtype: { ...CONVERT_OPTIONS.dtype, help: "cast the weights of a released model" },
  overwrite: { kind: "flag", help: "convert a released model again" },
  revision: { kind: "string", value: "REV", default: "main", help: "branch, tag or commit" },
  offline: { kind: "flag", help: "use only what is there already" },
  dryRun: { kind: "flag", help: "say what would be fetched, and stop" },
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Options of `far models`. */
export const MODELS_OPTIONS = { ...JSON_OPTION, ...COMMON_OPTIONS } as const satisfies OptionTable;

/** Options of `far inspect`. */
export const INSPECT_OPTIONS = {
  frames: {
    kind: "integer",
    short: "n",
    min: 1,
    value: "N",
    help: "count the memory for N frames: of a model, or of a transformer's weights",
  },
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;
