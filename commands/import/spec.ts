import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { INPUT, OUTPUT, RESULT_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { flag, integer, number, path, section, size, string } from "../../cli/option_rows.ts";
import { MEDIA } from "../../cli/permissions.ts";
import { RESIZE } from "../../request/options.ts";

/** Options of `far import`. */
export const IMPORT_OPTIONS = {
  ...section(INPUT, {
    keys: path("FILE.json", 'which key means which action: {"w": "forward", "a": "left"}'),
    log: path("FILE", "log of keys of the one video", {
      default: "the video's name with .csv or .jsonl",
    }),
    idle: string("ACTION|drop", "action of frames without a key; drop leaves them out", {
      default: "stay",
    }),
    offset: number("SECONDS", "time of the log at the video's first frame", { default: "0" }),
    fps: number("F", "frames per second to take", { min: 0.1, max: 1000, default: "the video's" }),
    size: size("WxH", "crop and resize frames to", { default: "the video's own" }),
    resize: RESIZE,
  }),
  ...section(OUTPUT, {
    output: path("DIR", "folder of the clips, made or added to", { short: "o" }),
    clipFrames: integer("N", "frames per clip", { min: 2, default: "300" }),
    overwrite: flag("replace clips that exist"),
  }),
  ...RESULT_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far import`. */
export const IMPORT: CommandSpec = defineCommand({
  name: "import",
  summary: "make clips for training of videos with key logs",
  description:
    "Turns recorded play of any program into clips that far train takes: .npz with the frames and " +
    "the action that led to each. The log of a video is a .csv with time,keys (all keys that are " +
    "down from then on) or time,key,event (down or up), or .jsonl lines with the same names; times " +
    "are seconds. Of several keys the longest chord of the map wins, then the first in it.",
  arguments: [{ name: "VIDEOS", help: "videos, each with its log next to it", repeatable: true }],
  options: IMPORT_OPTIONS,
  examples: [
    {
      line: "far import play.mp4 --keys keys.json --fps 8 --size 64x64 -o clips",
      does: "frames of play.mp4, actions from play.csv",
    },
    { line: "far train clips -o world -m demo --steps 2000 --ema 0.995", does: "then train" },
  ],
  permissions: { ...MEDIA, write: true },
  load: () => import("./run.ts"),
});
