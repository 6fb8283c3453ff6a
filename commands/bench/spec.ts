import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { CONFIG, GENERATION, INPUT, RESULT_OPTIONS } from "../../cli/common_options.ts";
import { choice, flag, integer, list, section } from "../../cli/option_rows.ts";
import { GPU } from "../../cli/permissions.ts";
import { GENERATE_OPTIONS, MODEL_OPTIONS } from "../../request/options.ts";

/** Parts of a benchmark, in the order they run. */
export const PARTS = ["kernels", "codec", "steps", "frames", "train"] as const;

/** Options of `far bench`. */
export const BENCH_OPTIONS = {
  ...MODEL_OPTIONS,
  ...section(INPUT, {
    architecture: choice(
      ["FAR_B", "FAR_M", "FAR_L", "FAR_XL", "FAR_B_Long", "FAR_M_Long"],
      "NAME",
      "a released architecture instead of a model; with --synthetic",
    ),
    synthetic: flag(
      "random weights for --architecture: as fast as real ones, without a download",
    ),
    only: choice(
      PARTS,
      "PART",
      "kernels at released shapes, codec (encode and decode), steps, frames of a short run, train (a step)",
      { repeatable: true, default: "all but train" },
    ),
    framesAt: list(
      "LIST",
      "number of frames before the one whose steps are measured; lengths for --protocol",
      { default: "2,16,64,128,156,300; with --quick 2,16; with --architecture by its kind" },
    ),
    windowCache: {
      ...GENERATE_OPTIONS.windowCache,
      help: "what steps of a long model do with its window",
    },
    protocol: choice(
      ["far"],
      "NAME",
      "print what the released speed script prints: 4 videos, 25 steps, 16 to 256 frames, " +
        "without and with caches; for FAR_B_Long with random weights, or for --model",
    ),
    profile: flag("time per kernel within steps, encode and decode (needs GPU timestamps)"),
    steps: integer("N", "denoising steps per frame of the short run, or of --protocol", {
      ...{ short: "s", min: 1, max: 1000, default: "the model's, else 8; with --protocol 25" },
    }),
  }),
  ...section(GENERATION, {
    tune: flag("find the fastest kernel parameters on this machine and save them for all runs"),
    runs: integer("N", "measurements; the median is reported", {
      ...{ min: 1, max: 1000, default: "5; with --quick 3" },
    }),
    cpuTime: flag("measure CPU time instead of wall time, for software adapters on a busy machine"),
    quick: flag("fewer shapes, frames and runs"),
  }),
  ...RESULT_OPTIONS,
  config: CONFIG,
} satisfies OptionTable;

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
