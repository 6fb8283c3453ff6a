import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { COMMON_OPTIONS, CONFIG, OUTPUT } from "../../cli/common_options.ts";
import { flag, path, section } from "../../cli/option_rows.ts";
import type { OptionTable } from "../../cli/option.ts";
import { GPU } from "../../cli/permissions.ts";
import { PLAY_OPTIONS } from "../play/spec.ts";

const { context, contextFrames, contextStart, contextStride, label, size, memoryFrames } =
  PLAY_OPTIONS;
const { steps, guidance, solver, seed } = PLAY_OPTIONS;

/** Options of `far export`. */
export const EXPORT_OPTIONS = {
  ...section(OUTPUT, {
    web: flag("a page that plays the model in its visitors' browsers"),
    output: path("DIR", "folder to write, for any static host", { short: "o" }),
    overwrite: flag("replace a folder that exists"),
  }),
  context,
  contextFrames,
  contextStart,
  contextStride,
  label,
  size,
  memoryFrames,
  steps,
  guidance,
  solver,
  seed,
  ...COMMON_OPTIONS,
  config: CONFIG,
} as const satisfies OptionTable;

/** Declaration of `far export`. */
export const EXPORT: CommandSpec = defineCommand({
  name: "export",
  summary: "make a page that anyone can play",
  description:
    "Writes a folder with a page, one script and the model's weights in pieces of at most 25 MB. " +
    "Put it on any static host: the world is computed by the visitors' own GPUs, in their browsers. " +
    "No server code, nothing to install. Look at it first with far serve.",
  arguments: [{
    name: "MODEL",
    optional: true,
    help: "a model folder, or a pulled model's name (the demo)",
  }],
  options: EXPORT_OPTIONS,
  examples: [
    { line: "far export --web -o maze", does: "the demo as a page, in the folder maze" },
    { line: "far export --web my-world -o site --steps 4", does: "a world of your own" },
  ],
  permissions: { ...GPU, run: true },
  load: () => import("./run.ts"),
});
