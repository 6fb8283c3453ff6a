import { type CommandSpec, defineCommand } from "./command.ts";
import { CONVERT_OPTIONS, INSPECT_OPTIONS, MODELS_OPTIONS, PULL_OPTIONS } from "./option_table.ts";

const PULL = defineCommand({
  name: "pull",
  summary: "fetch a released model from the hub",
  description:
    "Fetches the two checkpoints of a released model, verifies them and converts them; or fetches " +
    "a model folder, or one file, of any repository. Files go into the hub's own cache, where its " +
    "Python client finds them too; a broken download goes on where it stopped. The path is printed.",
  arguments: [{ name: "NAME", help: "a released model, or owner/name[/FILE][@revision]" }],
  options: PULL_OPTIONS,
  examples: [
    { line: "far pull FAR_B_ucf101_res64_200K_bs32", does: "then: far generate --model the same" },
    { line: "far pull guyuchao/FAR_Models/README.md", does: "one file, its path is printed" },
    { line: "far pull owner/name@v1.0 --dry-run", does: "what would be fetched" },
  ],
  load: () => import("../commands/pull/run.ts"),
});

const MODELS = defineCommand({
  name: "models",
  summary: "list the models there are",
  description:
    "Lists the models on this machine, and the released ones that far pull can fetch with what " +
    "they need and were trained to do.",
  arguments: [],
  options: MODELS_OPTIONS,
  examples: [{ line: "far models --json", does: "as one JSON object" }],
  load: () => import("../commands/models/run.ts"),
});

const CONVERT = defineCommand({
  name: "convert",
  summary: "make a model folder of checkpoints",
  description:
    "Reads PyTorch or safetensors weights, checks their names and shapes against the architecture, " +
    "and writes a model folder. Nothing in a checkpoint is executed. The folder appears when it is " +
    "whole; an interrupted run goes on when it is started again.",
  arguments: [],
  options: CONVERT_OPTIONS,
  examples: [
    {
      line: "far convert --transformer A.pth --vae B.pth " +
        "--preset FAR_B_ucf101_res64_200K_bs32 -o model",
      does: "released checkpoints",
    },
    {
      line: "far convert --transformer checkpoint-400000 --vae B.pth --architecture FAR_B " +
        "--vae-config 8x --dtype f16 -o model",
      does: "a training run of your own, as half-precision floats",
    },
  ],
  load: () => import("../commands/convert/run.ts"),
});

const INSPECT = defineCommand({
  name: "inspect",
  summary: "say what a file or folder holds",
  description:
    "For a model: its parts, sizes and the GPU memory a run takes. For a file of weights: tensors, " +
    "types and the architecture, told from the shapes. For a video or clip: the command that made " +
    "it, and which action drives which frame.",
  arguments: [{ name: "FILE|DIR", help: "a model, .pth, .safetensors, .npz, video or image" }],
  options: INSPECT_OPTIONS,
  examples: [
    { line: "far inspect demo --frames 100", does: "what 100 frames of the demo model take" },
    { line: "far inspect maze.mp4", does: "the command that makes it again" },
  ],
  load: () => import("../commands/inspect/run.ts"),
});

/** Commands about files of weights and models. */
export const WEIGHTS_COMMANDS: readonly CommandSpec[] = [PULL, MODELS, CONVERT, INSPECT];
