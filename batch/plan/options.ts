import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import {
  COMMON_OPTIONS,
  GENERATION,
  INPUT,
  LOGGING,
  OUTPUT,
  WORK_OPTIONS,
} from "../../cli/common_options.ts";
import { decidingOptions, type OptionTable } from "../../cli/option.ts";
import { flag, number, path, section, string } from "../../cli/option_rows.ts";
import { GENERATE_OPTIONS, MODEL_OPTIONS } from "../../request/options.ts";

/** Options of a manifest's line: generate's, without those for the whole batch. */
export const JOB_OPTIONS = decidingOptions(GENERATE_OPTIONS);

/** Options for the GPU process of `far batch` and `far worker`. */
const GPU_OPTIONS = section(GENERATION, {
  gpuBatch: string("auto|N", "videos of the same shape that run as one batch on the GPU", {
    default: "auto: as many as memory and GPU allow",
  }),
  hangAfter: number("SECONDS", "restart the GPU process when it has been silent for this long", {
    min: 0.1,
    default: "600",
  }),
});

const QUEUE_OPTIONS = section(GENERATION, {
  redis: string(
    "URL",
    "redis://user:password@host:port/db, or rediss:// for TLS; use FAR_REDIS to keep the password out " +
      "of the list of processes",
    { env: "FAR_REDIS" },
  ),
  queue: string("NAME", "name of the queue", { default: "far" }),
});

/** Options of `far batch`. */
export const BATCH_OPTIONS = {
  ...section(OUTPUT, {
    outDir: path("DIR", "folder for outputs and results"),
    results: path("FILE.jsonl", "one line per finished job", {
      default: "results.jsonl in --out-dir; a shard has its own",
    }),
  }),
  ...section(INPUT, {
    defaults: path("FILE.json", "settings for all jobs; the manifest takes precedence"),
    shard: string(
      "I/N",
      "run only part I of N, I from 0; jobs are split by a hash of the id, the same way everywhere",
    ),
  }),
  ...section(GENERATION, {
    force: flag("run finished jobs again"),
    retryFailed: flag("retry jobs that have failed permanently"),
    failFast: flag("stop at the first job that fails"),
  }),
  ...GPU_OPTIONS,
  ...section(LOGGING, { dryRun: flag("check every line, print what would be done, and stop") }),
  ...QUEUE_OPTIONS,
  ...section(GENERATION, {
    shared: flag(
      "workers see --out-dir and all inputs under the same paths; without it files travel " +
        "through the queue",
    ),
    detach: flag("put the jobs on the queue and do not wait"),
  }),
  ...MODEL_OPTIONS,
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** A call of `far batch`. */
export type BatchCall = Call<typeof BATCH_OPTIONS>;

/** Options of `far worker`. */
export const WORKER_OPTIONS = {
  ...section(INPUT, {
    inDir: path("DIR", "a folder, besides --out-dir, that jobs of a --shared batch may read", {
      repeatable: true,
    }),
  }),
  ...section(OUTPUT, {
    outDir: path("DIR", "folder of a --shared batch on this machine", {
      default: "none: jobs of --shared batches are left to other workers",
    }),
  }),
  ...QUEUE_OPTIONS,
  ...section(GENERATION, {
    lock: number("SECONDS", "give the job of a silent worker to another after this long", {
      min: 1,
      default: "120",
    }),
    drain: number(
      "SECONDS",
      "after SIGTERM, finish current jobs for this long, then give them back",
      {
        min: 0,
        default: "60",
      },
    ),
    idle: number("SECONDS", "exit after this long without a job", { min: 0, default: "never" }),
  }),
  ...GPU_OPTIONS,
  ...MODEL_OPTIONS,
  ...COMMON_OPTIONS,
} satisfies OptionTable;

/** Reads `--gpu-batch`. @throws {UsageError} */
export function parseGpuBatch(text = "auto"): number | "auto" {
  if (text === "auto") return text;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot use --gpu-batch ${text}: it must be auto, or a number from 1`);
}
