import {
  CONFIG,
  GENERATION,
  INPUT,
  LOGGING,
  OUTPUT,
  OVERWRITE_OPTION,
  WORK_OPTIONS,
} from "../cli/common_options.ts";
import type { OptionTable, Values } from "../cli/option.ts";
import { actionFile } from "./action_file_name.ts";
import { parseLora } from "./lora.ts";
import {
  choice,
  flag,
  integer,
  list,
  number,
  path,
  section,
  seed,
  size,
  string,
} from "../cli/option_rows.ts";

// The options of a run, and those that other commands share with it. `decides` says what an option
// affects, `varies` whether the videos of one GPU batch may differ in it.

/** Most videos per run and frames per video: far more than fit, but safe for memory. */
const MOST_VIDEOS = 10_000;
const MOST_FRAMES = 1_000_000;

/** Sources of frames, for help texts. */
export const SOURCE_HELP = "a video, .gif, .y4m, image, folder or %d pattern of images, .npz, " +
  ".npy, .safetensors, or - for y4m on stdin";

/** Method of resizing frames. */
export const RESIZE = choice(
  ["area", "bilinear"],
  "METHOD",
  "how frames are resized; bilinear: as FAR's UCF-101 loader does, then cropped",
  { default: "area" },
);

/** Networks of LPIPS. */
export const LPIPS = path(
  "PATH",
  "measure LPIPS too: torchvision's AlexNet or VGG16, and lpips' weights for it; files, or a folder " +
    "of both; repeatable",
  { repeatable: true },
);

/** Which frames of a source to read. */
export const PICK_OPTIONS = section(INPUT, {
  start: integer("I", "first frame to read", { min: 0, default: "0" }),
  stride: integer("S", "read every S-th frame", { min: 1, default: "1" }),
  frames: integer("N", "number of frames to read", { short: "n", min: 1, default: "all" }),
}) satisfies OptionTable;

/** Which model to use, and how to compute it. */
export const MODEL_OPTIONS = {
  ...section(INPUT, {
    model: string("MODEL", "folder of a model, name of a pulled model, or demo", {
      short: "m",
      env: "FAR_MODEL",
      default: "demo",
    }),
  }, { decides: "frames" }),
  ...section(GENERATION, {
    dtype: choice(["auto", "f32", "f16"], "TYPE", "data type of weights and caches", {
      env: "FAR_DTYPE",
      default: "auto: f16 where a real GPU has it",
    }),
  }, { decides: "frames" }),
  ...section(GENERATION, {
    backend: choice(["vulkan", "metal", "dx12", "gl"], "NAME", "WebGPU backend", {
      env: "FAR_BACKEND",
      default: "the system's best",
    }),
  }, { decides: "run" }),
} satisfies OptionTable;

/** Adapters of the model. */
export const LORA_OPTION = section(INPUT, {
  lora: path(
    "FILE[:SCALE]",
    "LoRA to add to the model: a .safetensors of far train --lora, peft or diffusers",
    { reads: (value: string) => parseLora(value).path },
  ),
}, { decides: "frames" }) satisfies OptionTable;

const CONTEXT_OPTIONS = section(INPUT, {
  context: path("SOURCE", `frames to continue: ${SOURCE_HELP}`, {
    ...{ short: "c", varies: true, reads: (value: string) => value },
  }),
  contextFrames: integer("K", "number of context frames; 0 starts from nothing", {
    min: 0,
    default: "the model's, otherwise all",
  }),
  contextStart: integer("I", "first context frame", { min: 0, default: "0", varies: true }),
  contextStride: integer("S", "take every S-th context frame", { min: 1, default: "1" }),
  resize: RESIZE,
  actions: list(
    "LIST",
    "one action per frame, by name or number; name*8 repeats it: forward*8,left*3; or a file " +
      "(.npz .safetensors .json .txt). For context and generated frames, or the generated ones only",
    { short: "a", most: MOST_FRAMES, varies: true, reads: actionFile },
  ),
  label: list("L", "class, by number or name; a list gives one per video of --count", {
    most: MOST_VIDEOS,
    varies: true,
  }),
  noise: path("FILE", "take `noise` from a .safetensors instead of --seed", {
    ...{ varies: true, reads: (value: string) => value },
  }),
}, { decides: "frames" });

const SAMPLING_OPTIONS = section(GENERATION, {
  frames: integer("N", "number of frames to generate", { short: "n", min: 1, max: MOST_FRAMES }),
  size: size("WxH", "size in pixels of a video without context", { default: "the model's" }),
  count: integer("N", "videos to make in one batch; outputs get -0, -1, ... before the extension", {
    min: 1,
    max: MOST_VIDEOS,
    default: "1",
    varies: true,
  }),
  steps: integer("N", "denoising steps per frame", { short: "s", min: 1, max: 1000 }),
  guidance: number("G", "above 1: towards the condition; 1: off; -1: without the condition", {
    short: "g",
  }),
  solver: choice(["euler", "ab2", "heun"], "NAME", "solver of the steps", { default: "euler" }),
  seed: seed("S", "seed of the noise; -1 draws one and prints it", { default: "0", varies: true }),
  rng: choice(["torch", "cuda"], "NAME", "draw the noise like PyTorch on the CPU or on CUDA", {
    aliases: { cpu: "torch" },
    default: "torch, also called cpu",
    varies: true,
  }),
  flexrope: number("SLOPE", "temporal decay, for videos far beyond the trained length", {
    min: 0,
    default: "the model's",
  }),
  positions: choice(["exact", "bf16"], "HOW", "numbers of frames: exact, or as released in bf16", {
    default: "the model's",
  }),
  timesteps: choice(["exact", "bf16"], "HOW", "timesteps: exact, or as released in bf16", {
    default: "the model's",
  }),
  windowCache: choice(
    ["encode", "reuse"],
    "HOW",
    "for each frame encode a long model's window again, as released, or keep its keys: faster",
    { default: "encode" },
  ),
  noCache: flag("recompute instead of using KV caches, for checking"),
}, { decides: "frames" });

/** How frames are written to files. */
export const ENCODING_OPTIONS = {
  ...section(OUTPUT, {
    output: path(
      "FILE",
      ".mp4 .mov .webm .mkv .gif .y4m .npz .safetensors .png (a contact sheet; with %d one file per frame), " +
        "or - for stdout; repeatable",
      { short: "o", repeatable: true },
    ),
  }, { decides: "files" }),
  ...section(OUTPUT, {
    format: choice(["mp4", "y4m", "rgb24"], "FORMAT", "what -o - writes", {
      default: "mp4, fragmented",
    }),
  }, { decides: "run" }),
  ...section(OUTPUT, {
    fps: number("F", "frames per second", {
      min: 0.1,
      max: 1000,
      default: "the model's, otherwise 8",
    }),
    codec: choice(["avc", "hevc", "av1", "vp9"], "CODEC", "video codec", {
      aliases: { h264: "avc", h265: "hevc" },
      default: "avc, in .webm vp9",
    }),
    quality: integer("Q", "quality of the encoder: 0 smallest file, 100 best picture", {
      min: 0,
      max: 100,
      default: "80",
    }),
    scale: integer("N", "enlarge N times, nearest neighbour", {
      min: 1,
      max: 64,
      default: "until a video or GIF has 256 pixels; otherwise 1",
    }),
  }, { decides: "files" }),
} satisfies OptionTable;

/** Whether outputs contain their settings. */
export const METADATA_OPTION = section(OUTPUT, {
  noMetadata: flag("leave the settings out of the outputs"),
}, { decides: "files" });

const INTERRUPT_OPTIONS = section(OUTPUT, {
  onInterrupt: choice(["keep", "discard"], "WHAT", "what Ctrl-C does with the frames so far", {
    default: "keep: finish the outputs with the frames there are; with --checkpoint discard",
  }),
}, { decides: "run" });

const CHECKPOINT_OPTIONS = section(OUTPUT, {
  checkpoint: path("FILE.safetensors", "save the latents there while running, to --resume from"),
  checkpointEvery: integer("M", "frames between two checkpoints", { min: 1, default: "8" }),
  resume: path(
    "FILE.safetensors",
    "continue from a checkpoint, with its settings. The same FILE as --checkpoint may be missing: " +
      "then the run starts from the beginning",
  ),
}, { decides: "run" });

/** Options of `far generate`. */
export const GENERATE_OPTIONS = {
  ...MODEL_OPTIONS,
  ...LORA_OPTION,
  ...CONTEXT_OPTIONS,
  config: CONFIG,
  ...SAMPLING_OPTIONS,
  ...ENCODING_OPTIONS,
  ...section(OUTPUT, {
    onlyGenerated: flag("leave the context frames out of the outputs"),
  }, { decides: "files" }),
  ...section(OUTPUT, {
    preview: path("FILE.png|terminal", "show the newest frame while generating"),
  }, { decides: "run" }),
  ...METADATA_OPTION,
  ...OVERWRITE_OPTION,
  ...INTERRUPT_OPTIONS,
  ...CHECKPOINT_OPTIONS,
  ...section(LOGGING, {
    dryRun: flag("print the plan, the steps and the memory needed, and stop"),
  }, { decides: "run" }),
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** Options of `far generate`. */
export type GenerateValues = Values<typeof GENERATE_OPTIONS>;
