import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import {
  COMMON_OPTIONS,
  CONFIG,
  GENERATION,
  INPUT,
  JSON_OPTION,
} from "../../cli/common_options.ts";
import { GPU } from "../../cli/permissions.ts";
import { GENERATE_OPTIONS, MODEL_OPTIONS } from "../../request/options.ts";

/** Parts of a benchmark, in the order they run. */
export const PARTS = ["kernels", "codec", "steps", "frames", "train"] as const;

/** Options of `far bench`. */
export const BENCH_OPTIONS = {
  ...MODEL_OPTIONS,
  architecture: {
    kind: "choice",
    choices: ["FAR_B", "FAR_M", "FAR_L", "FAR_XL", "FAR_B_Long", "FAR_M_Long"],
    value: "NAME",
    help: "a released architecture instead of a model; with --synthetic",
    group: MODEL_OPTIONS.model.group,
  },
  synthetic: {
    kind: "flag",
    help: "random weights for --architecture: as fast as real ones, without a download",
    group: MODEL_OPTIONS.model.group,
  },
  only: {
    kind: "choice",
    choices: PARTS,
    value: "PART",
    repeatable: true,
    default: "all but train",
    help:
      "kernels at released shapes, codec (encode and decode), steps, frames of a short run, train (a step)",
    group: INPUT,
  },
  framesAt: {
    kind: "list",
    value: "LIST",
    default: "2,16,64,128,156,300; with --quick 2,16; with --architecture by its kind",
    help: "number of frames before the one whose steps are measured; lengths for --protocol",
    group: INPUT,
  },
  windowCache: {
    ...GENERATE_OPTIONS.windowCache,
    help: "what steps of a long model do with its window",
    group: INPUT,
  },
  protocol: {
    kind: "choice",
    choices: ["far"],
    value: "NAME",
    help: "print what the released speed script prints: 4 videos, 25 steps, 16 to 256 frames, " +
      "without and with caches; for FAR_B_Long with random weights, or for --model",
    group: INPUT,
  },
  profile: {
    kind: "flag",
    help: "time per kernel within steps, encode and decode (needs GPU timestamps)",
    group: INPUT,
  },
  steps: {
    kind: "integer",
    short: "s",
    min: 1,
    max: 1000,
    value: "N",
    default: "the model's, else 8; with --protocol 25",
    help: "denoising steps per frame of the short run, or of --protocol",
    group: INPUT,
  },
  tune: {
    kind: "flag",
    help: "find the fastest kernel parameters on this machine and save them for all runs",
    group: GENERATION,
  },
  runs: {
    kind: "integer",
    min: 1,
    max: 1000,
    value: "N",
    default: "5; with --quick 3",
    help: "measurements; the median is reported",
    group: GENERATION,
  },
  cpuTime: {
    kind: "flag",
    help: "measure CPU time instead of wall time, for software adapters on a busy machine",
    group: GENERATION,
  },
  quick: { kind: "flag", help: "fewer shapes, frames and runs", group: GENERATION },
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
  config: CONFIG,
} as const satisfies OptionTable;

/** Declaration of `far bench`. */
export const BENCH: CommandSpec = defineCommand({
  name: "bench",
  summary: "measure how fast kernels and a model are here",
  description:
    "Measures the adapter's peak rates, each kernel at the shapes of the released models, whole " +
    "denoising steps after various numbers of frames, encoding, decoding and a short run. Reports medians " +
    "of several runs after a warm-up; the range from least to most shows what else the machine " +
    "was doing. Bytes, products and calls are counted in the recorded work.",
  arguments: [],
  options: BENCH_OPTIONS,
  examples: [
    { line: "far bench --protocol far", does: "the speed table of the released code" },
    { line: "far bench --quick", does: "the demo model, in about half a minute" },
    {
      line: "far bench --architecture FAR_B_Long --synthetic --only steps --frames-at 16,156",
      does: "steps of a released architecture, without its weights",
    },
    { line: "far bench --only steps --profile --json", does: "where the time of a step goes" },
  ],
  permissions: GPU,
  load: () => import("./run.ts"),
});
