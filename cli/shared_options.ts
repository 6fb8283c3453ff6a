import type { OptionSpec, OptionTable } from "./option.ts";

// Options that several commands share; option_table.ts is the whole table.

const MODEL = "Model";
/** Heading of what is written. */
export const OUTPUT = "What is written";
/** Heading of what is said. */
export const REPORT = "What is said";

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

/** How frames come to another size. */
export const RESIZE = {
  kind: "choice",
  choices: ["area", "bilinear"],
  value: "METHOD",
  default: "area",
  help: "how frames are resized; bilinear: as FAR's UCF-101 loader does, the middle cut out after",
} as const satisfies OptionSpec;

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
