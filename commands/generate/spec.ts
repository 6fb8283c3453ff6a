import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { GPU } from "../../cli/permissions.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";

/** Declaration of `far generate`. */
export const GENERATE: CommandSpec = defineCommand({
  name: "generate",
  summary: "generate or continue a video",
  description: "Makes a video frame by frame, from scratch or continuing another. Options that " +
    "are not given come from the model's own defaults; your own --context or --actions replace " +
    "its example.",
  arguments: [],
  options: GENERATE_OPTIONS,
  examples: [
    { line: "far generate -o maze.mp4", does: "the demo model's example" },
    { line: "far generate -a 'forward*8,left*4' -o walk.mp4", does: "steer" },
    {
      line: "far generate -c clip.npz --context-frames 12 -n 20 -o on.mp4 -o on.npz",
      does: "continue a clip with its own actions, as a video and as exact pixels",
    },
    {
      line: "far generate --seed 7 -o out.safetensors -o sheet.png",
      does: "exact frames and latents, and a contact sheet",
    },
    { line: "far generate -o - --format y4m | ffplay -", does: "watch while it is made" },
  ],
  permissions: GPU,
  load: () => import("./run.ts"),
});
