import { BATCH_COMMANDS } from "../batch/specs.ts";
import { BENCH } from "../commands/bench/spec.ts";
import { type CommandSpec, defineCommand } from "./command.ts";
import { COMPLETIONS } from "../commands/completions/spec.ts";
import { DOCTOR } from "../commands/doctor/spec.ts";
import { MANUAL } from "../commands/manual/spec.ts";
import { PLAY } from "../commands/play/spec.ts";
import { WEIGHTS_COMMANDS } from "./weights_commands.ts";
import {
  COMPARE_OPTIONS,
  DECODE_OPTIONS,
  ENCODE_OPTIONS,
  GENERATE_OPTIONS,
} from "./option_table.ts";

const SOURCE_HELP = "a video, .gif, .y4m, image, folder or %d pattern of images, .npz, .npy, " +
  ".safetensors, or - for y4m on stdin";

const GENERATE = defineCommand({
  name: "generate",
  summary: "generate or continue a video",
  description:
    "Makes a video frame by frame, from nothing or as the continuation of another. What is not " +
    "said is taken from the model's own defaults; a --context or --actions of your own takes the " +
    "place of its example.",
  arguments: [],
  options: GENERATE_OPTIONS,
  examples: [
    { line: "far generate -o maze.mp4", does: "the demo model's own example" },
    { line: "far generate -a 'forward*8,left*4' -o walk.mp4", does: "steer" },
    {
      line: "far generate -c clip.npz --context-frames 12 -n 20 -o on.mp4 -o on.npz",
      does: "continue a clip by its own actions, as a video and as exact pixels",
    },
    {
      line: "far generate --seed 7 -o out.safetensors -o sheet.png",
      does: "exact frames and latents, and a contact sheet",
    },
    { line: "far generate -o - --format y4m | ffplay -", does: "watch while it is made" },
  ],
  load: () => import("../commands/generate/run.ts"),
});

const ENCODE = defineCommand({
  name: "encode",
  summary: "turn a video into latents",
  description: "Runs the autoencoder's encoder alone. The latents are unscaled, as it makes them.",
  arguments: [{ name: "SRC", help: SOURCE_HELP }],
  options: ENCODE_OPTIONS,
  examples: [{ line: "far encode clip.mp4 -o clip.safetensors", does: "all frames of a clip" }],
  load: () => import("../commands/encode/run.ts"),
});

const DECODE = defineCommand({
  name: "decode",
  summary: "turn latents into a video",
  description:
    "Runs the autoencoder's decoder alone, on latents of `far encode` or `far generate`.",
  arguments: [{
    name: "FILE.safetensors",
    help: "`latents`: [videos, t, c, h, w] or [t, c, h, w]",
  }],
  options: DECODE_OPTIONS,
  examples: [{ line: "far decode clip.safetensors -o again.mp4", does: "back to a video" }],
  load: () => import("../commands/decode/run.ts"),
});

const COMPARE = defineCommand({
  name: "compare",
  summary: "measure how near one video is to another",
  description:
    "Prints mean squared error, PSNR (dB) and SSIM of each frame and their means, as scikit-image " +
    "computes them for values in [0, 1]. Use exact sources to evaluate: lossy video moves them.",
  arguments: [{ name: "A", help: SOURCE_HELP }, { name: "B", help: "the same" }],
  options: COMPARE_OPTIONS,
  examples: [{ line: "far compare truth.npz made.npz --json", does: "as one JSON object" }],
  load: () => import("../commands/compare/run.ts"),
});

/** All commands, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  GENERATE,
  PLAY,
  ENCODE,
  DECODE,
  COMPARE,
  ...BATCH_COMMANDS,
  ...WEIGHTS_COMMANDS,
  BENCH,
  DOCTOR,
  COMPLETIONS,
  MANUAL,
];
