import { BATCH_OPTIONS } from "../../batch/plan/options.ts";
import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { CONFIG, GENERATION, INPUT, OUTPUT, WORK_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { flag, integer, list, path, section, string } from "../../cli/option_rows.ts";
import { BATCH as PERMISSIONS } from "../../cli/permissions.ts";
import { GENERATE_OPTIONS, LPIPS } from "../../request/options.ts";

const { contextFrames, contextStart, contextStride, resize, size } = GENERATE_OPTIONS;
const { frames, steps, guidance, solver, flexrope, positions, timesteps } = GENERATE_OPTIONS;
const { windowCache, dtype, backend } = GENERATE_OPTIONS;
const { shard, force, retryFailed, gpuBatch, hangAfter, redis, queue, shared } = BATCH_OPTIONS;

/** Options of `far evaluate`. */
export const EVALUATE_OPTIONS = {
  ...section(INPUT, {
    preset: string("NAME", "protocol of a released run; see far models", {
      default: "the model's own",
    }),
    contextFrames: { ...contextFrames, default: "the preset's or model's" },
    contextStart,
    contextStride,
    resize,
    size: { ...size, help: "pixels that clips are brought to" },
    shard,
  }),
  config: CONFIG,
  ...section(GENERATION, {
    frames: { ...frames, default: "the preset's or model's" },
    steps,
    guidance,
    solver,
    seeds: list("LIST", "seeds; numbers are means over them, with their spread", { default: "0" }),
    trajectories: integer("N", "videos made of each clip, of which the best counts", {
      min: 1,
      max: 1000,
      default: "1",
    }),
    flexrope,
    positions,
    timesteps,
    windowCache,
    dtype,
    backend,
    gpuBatch,
    hangAfter,
    force,
    retryFailed,
    returns: integer("N", "go N moves of each action and back by its inverse: how near is it?", {
      min: 1,
    }),
    agreement: integer(
      "N",
      "moves per clip, made with every action: is the real one the nearest?",
      { min: 1 },
    ),
    redis,
    queue,
    shared,
  }),
  ...section(OUTPUT, {
    output: path("FILE", "report .html, numbers .json or .csv, table .md; repeatable", {
      short: "o",
      repeatable: true,
    }),
    overwrite: flag("replace outputs that exist"),
    outDir: path("DIR", "where the work is kept, to be continued here or on other machines", {
      default: "named after the first --output; else temporary",
    }),
    lpips: LPIPS,
    export: path("DIR", "write truth and made as folders of pictures, for tools that compute FVD"),
  }),
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far evaluate`. */
export const EVALUATE: CommandSpec = defineCommand({
  name: "evaluate",
  summary: "measure how well a model predicts clips",
  description:
    "Gives the model the beginning of each clip, makes the rest, and compares it with the clip: " +
    "PSNR, SSIM (uniform windows, and Gaussian ones as the released code), MS-SSIM and MSE, per " +
    "frame and overall. What is made is kept in --out-dir, as far batch keeps it: the same command " +
    "goes on, and --shard or --redis share it among machines. LPIPS and FVD need networks that are " +
    "not part of this program: --lpips takes the one, --export writes what tools for the other read.",
  arguments: [
    { name: "MODEL", help: "folder of a model, name of a pulled model, or demo" },
    {
      name: "DATA",
      help: "folder of clips, or a .txt or .json list of them; a .json may name action files",
    },
  ],
  options: EVALUATE_OPTIONS,
  examples: [
    {
      line: "far evaluate demo clips -o report.html -o table.md",
      does: "the model's own protocol",
    },
    {
      line:
        "far evaluate dmlab clips --preset FAR_B_Long_dmlab_res64_1000K_bs32 --seeds 0,2,4,6 -o report.html",
      does: "as the paper's long prediction",
    },
    {
      line: "far evaluate demo clips --returns 6 --agreement 4 -o report.html",
      does: "does it come back, and does it obey?",
    },
  ],
  permissions: PERMISSIONS,
  load: () => import("./run.ts"),
});
