import type { OptionSpec, OptionTable } from "./option.ts";

// The one table of options: parsing, help, --config, manifests, completions and manual come of it.

const MODEL = "Model";
const CONTENT = "What is made";
const SAMPLING = "How it is made";
const OUTPUT = "What is written";
const REPORT = "What is said";

/** The settings file; the command line wins over it. */
export const CONFIG = {
  kind: "path",
  value: "FILE.json",
  help: "take settings from a JSON object with these options' names; the command line wins",
  group: REPORT,
} as const satisfies OptionSpec;

/** Options of every command. */
export const COMMON_OPTIONS = {
  quiet: { kind: "flag", short: "q", help: "no progress, no messages but errors", group: REPORT },
  verbose: { kind: "flag", short: "v", help: "details, and stack traces", group: REPORT },
} as const satisfies OptionTable;

/** One JSON object instead of lines for people. */
export const JSON_OPTION = {
  json: { kind: "flag", help: "print one JSON object on stdout at the end", group: REPORT },
} as const satisfies OptionTable;

/** How far the work has come. */
export const PROGRESS_OPTION = {
  progress: {
    kind: "choice",
    choices: ["auto", "json"],
    value: "FORM",
    default: "auto: a bar on a terminal, elsewhere a line now and then",
    help: "json: progress as JSON lines on stderr",
    group: REPORT,
  },
} as const satisfies OptionTable;

/** Which model, and how it is computed. */
export const MODEL_OPTIONS = {
  model: {
    kind: "string",
    short: "m",
    value: "MODEL",
    env: "FAR_MODEL",
    default: "demo",
    help: "folder of a model, name of a pulled model, or demo",
    group: MODEL,
  },
  dtype: {
    kind: "choice",
    choices: ["auto", "f32", "f16"],
    value: "TYPE",
    env: "FAR_DTYPE",
    default: "auto: f16 where a real GPU has it",
    help: "arithmetic of weights and caches",
    group: MODEL,
  },
  backend: {
    kind: "choice",
    choices: ["vulkan", "metal", "dx12", "gl"],
    value: "NAME",
    env: "FAR_BACKEND",
    default: "the system's best",
    help: "which WebGPU backend",
    group: MODEL,
  },
} as const satisfies OptionTable;

/** How frames become files. */
export const ENCODING_OPTIONS = {
  output: {
    kind: "path",
    short: "o",
    value: "FILE",
    repeatable: true,
    help:
      ".mp4 .webm .gif .y4m .npz .safetensors .png (a contact sheet; with %d one file a frame), " +
      "or - for stdout; repeatable",
    group: OUTPUT,
  },
  format: {
    kind: "choice",
    choices: ["mp4", "y4m", "rgb24"],
    value: "FORMAT",
    default: "mp4, fragmented",
    help: "what -o - writes",
    group: OUTPUT,
  },
  fps: {
    kind: "number",
    min: 0.1,
    max: 1000,
    value: "F",
    default: "the model's, else 8",
    help: "frames per second",
    group: OUTPUT,
  },
  codec: {
    kind: "choice",
    choices: ["avc", "hevc", "av1", "vp9"],
    value: "CODEC",
    default: "avc, in .webm vp9",
    help: "video codec",
    group: OUTPUT,
  },
  quality: {
    kind: "integer",
    min: 0,
    max: 100,
    value: "Q",
    default: "80",
    help: "of the encoder: 0 smallest file, 100 finest picture",
    group: OUTPUT,
  },
  scale: {
    kind: "integer",
    min: 1,
    max: 64,
    value: "N",
    default: "1",
    help: "enlarge N-fold, nearest neighbour",
    group: OUTPUT,
  },
} as const satisfies OptionTable;

/** Which frames of a source. */
export const PICK_OPTIONS = {
  start: { kind: "integer", min: 0, value: "I", default: "0", help: "first frame" },
  stride: { kind: "integer", min: 1, value: "S", default: "1", help: "take every S-th frame" },
  frames: {
    kind: "integer",
    short: "n",
    min: 1,
    value: "N",
    default: "all",
    help: "how many frames",
  },
} as const satisfies OptionTable;

const CONTENT_OPTIONS = {
  frames: {
    kind: "integer",
    short: "n",
    min: 1,
    value: "N",
    help: "frames to generate",
    group: CONTENT,
  },
  context: {
    kind: "path",
    short: "c",
    value: "SOURCE",
    help: "frames to continue: a video, .gif, .y4m, image, folder or %d pattern of images, .npz, " +
      ".safetensors, or - for y4m on stdin",
    group: CONTENT,
  },
  contextFrames: {
    kind: "integer",
    min: 0,
    value: "K",
    default: "all",
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
  actions: {
    kind: "list",
    short: "a",
    value: "LIST",
    help: "one action a frame, names or numbers, name*8 repeats: forward*8,left*3; or a file " +
      "(.npz .json .txt). For context and generated frames, or the generated ones alone",
    group: CONTENT,
  },
  label: {
    kind: "list",
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
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
  config: CONFIG,
} as const satisfies OptionTable;

/** Options of `far convert`. */
export const CONVERT_OPTIONS = {
  transformer: {
    kind: "path",
    value: "FILE",
    help: "weights of the transformer, .pth or .safetensors",
  },
  vae: { kind: "path", value: "FILE", help: "weights of the autoencoder" },
  preset: { kind: "string", value: "NAME", help: "a released configuration; see `far models`" },
  architecture: { kind: "string", value: "NAME", help: "FAR, FAR_Long, FAR_B, ..., for own runs" },
  config: { kind: "path", value: "FILE.json", help: "configuration of the transformer" },
  vaeConfig: { kind: "path", value: "FILE.json", help: "configuration of the autoencoder" },
  output: { kind: "path", short: "o", value: "DIR", help: "the model folder to write" },
  dtype: {
    kind: "choice",
    choices: ["f32", "f16", "bf16"],
    value: "TYPE",
    default: "as stored",
    help: "cast the weights",
  },
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Options of `far pull`. */
export const PULL_OPTIONS = {
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
    help: "count the memory for N frames",
  },
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;
