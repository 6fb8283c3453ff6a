import { CHECKPOINT_OPTIONS } from "./checkpoint_options.ts";
import type { OptionTable } from "./option.ts";
import {
  COMMON_OPTIONS,
  CONFIG,
  ENCODING_OPTIONS,
  JSON_OPTION,
  MODEL_OPTIONS,
  OUTPUT,
  PICK_OPTIONS,
  PROGRESS_OPTION,
  REPORT,
  RESIZE,
} from "./shared_options.ts";

// The one table of options: parsing, help, --config, manifests, completions and manual come of it.

export * from "./shared_options.ts";
export * from "./weights_options.ts";

const CONTENT = "What is made";
const SAMPLING = "How it is made";
/** Videos of one run, and frames of one video: far more than fit, far less than all memory. */
const MOST_VIDEOS = 10_000;
const MOST_FRAMES = 1_000_000;

const CONTENT_OPTIONS = {
  frames: {
    kind: "integer",
    short: "n",
    min: 1,
    max: MOST_FRAMES,
    value: "N",
    help: "frames to generate",
    group: CONTENT,
  },
  context: {
    kind: "path",
    short: "c",
    value: "SOURCE",
    help: "frames to continue: a video, .gif, .y4m, image, folder or %d pattern of images, .npz, " +
      ".npy, .safetensors, or - for y4m on stdin",
    group: CONTENT,
  },
  contextFrames: {
    kind: "integer",
    min: 0,
    value: "K",
    default: "the model's, else all",
    help: "how many of them; 0 to start from nothing",
    group: CONTENT,
  },
  contextStart: {
    kind: "integer",
    min: 0,
    value: "I",
    default: "0",
    help: "from which on",
    group: CONTENT,
  },
  contextStride: {
    kind: "integer",
    min: 1,
    value: "S",
    default: "1",
    help: "every S-th of them",
    group: CONTENT,
  },
  resize: { ...RESIZE, group: CONTENT },
  actions: {
    kind: "list",
    most: MOST_FRAMES,
    short: "a",
    value: "LIST",
    help: "one action a frame, names or numbers, name*8 repeats: forward*8,left*3; or a file " +
      "(.npz .safetensors .json .txt). For context and generated frames, or the latter alone",
    group: CONTENT,
  },
  label: {
    kind: "list",
    most: MOST_VIDEOS,
    value: "L",
    help: "class, by number or name; a list gives one per video of --count",
    group: CONTENT,
  },
  size: {
    kind: "size",
    value: "WxH",
    default: "the model's",
    help: "pixels of a video made without context",
    group: CONTENT,
  },
  count: {
    kind: "integer",
    min: 1,
    max: MOST_VIDEOS,
    value: "N",
    default: "1",
    help: "videos at once; outputs get -0, -1, ... before the extension",
    group: CONTENT,
  },
} as const satisfies OptionTable;

const SAMPLING_OPTIONS = {
  steps: {
    kind: "integer",
    short: "s",
    min: 1,
    max: 1000,
    value: "N",
    help: "denoising steps a frame",
    group: SAMPLING,
  },
  guidance: {
    kind: "number",
    short: "g",
    value: "G",
    help: "above 1: towards the condition; 1: off; -1: as if there were no condition",
    group: SAMPLING,
  },
  solver: {
    kind: "choice",
    choices: ["euler", "ab2", "heun"],
    value: "NAME",
    default: "euler",
    help: "how the steps are taken",
    group: SAMPLING,
  },
  seed: {
    kind: "seed",
    value: "S",
    default: "0",
    help: "of the noise; -1 draws one and says which",
    group: SAMPLING,
  },
  rng: {
    kind: "choice",
    choices: ["torch", "cuda"],
    aliases: { cpu: "torch" },
    value: "NAME",
    default: "torch",
    help: "draw the noise as PyTorch does on the CPU (torch, also cpu) or on CUDA",
    group: SAMPLING,
  },
  noise: {
    kind: "path",
    value: "FILE",
    help: "take `noise` from a .safetensors instead",
    group: SAMPLING,
  },
  flexrope: {
    kind: "number",
    value: "SLOPE",
    default: "the model's",
    help: "temporal decay, to go on far beyond the trained length",
    group: SAMPLING,
  },
  noCache: { kind: "flag", help: "recompute instead of caching, for checking", group: SAMPLING },
} as const satisfies OptionTable;

/** Options of `far generate`. */
export const GENERATE_OPTIONS = {
  ...MODEL_OPTIONS,
  ...CONTENT_OPTIONS,
  ...SAMPLING_OPTIONS,
  ...ENCODING_OPTIONS,
  onlyGenerated: {
    kind: "flag",
    help: "leave the context frames out of the outputs",
    group: OUTPUT,
  },
  preview: {
    kind: "path",
    value: "FILE.png|terminal",
    help: "the newest frame, rewritten as frames are made",
    group: OUTPUT,
  },
  noMetadata: { kind: "flag", help: "leave the settings out of the outputs", group: OUTPUT },
  ...CHECKPOINT_OPTIONS,
  dryRun: {
    kind: "flag",
    help: "say what would be made, the steps and the memory needed, and stop",
    group: REPORT,
  },
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
  config: CONFIG,
} as const satisfies OptionTable;

/** Options of `far encode`. */
export const ENCODE_OPTIONS = {
  ...MODEL_OPTIONS,
  output: {
    kind: "path",
    short: "o",
    value: "FILE.safetensors",
    help: "where the latents go",
    group: OUTPUT,
  },
  ...PICK_OPTIONS,
  size: {
    kind: "size",
    value: "WxH",
    default: "the source's, cropped",
    help: "crop and resize to",
  },
  resize: RESIZE,
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
  config: CONFIG,
} as const satisfies OptionTable;

/** Options of `far decode`. */
export const DECODE_OPTIONS = {
  ...MODEL_OPTIONS,
  ...ENCODING_OPTIONS,
  noMetadata: { kind: "flag", help: "leave the settings out of the outputs", group: OUTPUT },
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
  config: CONFIG,
} as const satisfies OptionTable;

/** Options of `far compare`. */
export const COMPARE_OPTIONS = {
  ...PICK_OPTIONS,
  size: {
    kind: "size",
    value: "WxH",
    default: "the sources', which must agree",
    help: "crop and resize both to",
  },
  resize: RESIZE,
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
  config: CONFIG,
} as const satisfies OptionTable;
