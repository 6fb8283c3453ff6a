import type { OptionTable } from "../../cli/option.ts";
import {
  COMMON_OPTIONS,
  GENERATE_OPTIONS,
  JSON_OPTION,
  MODEL_OPTIONS,
  PROGRESS_OPTION,
} from "../../cli/option_table.ts";

const RUNNING = "How it is run";
const QUEUE = "Many machines";

const {
  backend: _backend,
  format: _format,
  preview: _preview,
  dryRun: _dryRun,
  json: _json,
  progress: _progress,
  quiet: _quiet,
  verbose: _verbose,
  config: _config,
  checkpoint: _checkpoint,
  checkpointEvery: _checkpointEvery,
  resume: _resume,
  ...jobOptions
} = GENERATE_OPTIONS;

/** What a line of a manifest may say: generate's options, without those of the whole batch. */
export const JOB_OPTIONS = jobOptions satisfies OptionTable;

/** How the GPU process is driven, by `far batch` and `far worker`. */
const GPU_OPTIONS = {
  gpuBatch: {
    kind: "string",
    value: "auto|N",
    default: "auto: as many as memory and GPU make worth it",
    help: "videos of the same shape that run as one batch on the GPU",
    group: RUNNING,
  },
  hangAfter: {
    kind: "number",
    min: 0.1,
    value: "SECONDS",
    default: "600",
    help: "silence of the GPU process after which it is started anew",
    group: RUNNING,
  },
} as const satisfies OptionTable;

const QUEUE_OPTIONS = {
  redis: {
    kind: "string",
    value: "URL",
    env: "FAR_REDIS",
    help:
      "redis://user:password@host:port/db, or rediss:// for TLS; FAR_REDIS keeps the password " +
      "out of the list of processes",
    group: QUEUE,
  },
  queue: {
    kind: "string",
    value: "NAME",
    default: "far",
    help: "name of the queue",
    group: QUEUE,
  },
} as const satisfies OptionTable;

/** Options of `far batch`. */
export const BATCH_OPTIONS = {
  outDir: { kind: "path", value: "DIR", help: "where outputs and results go", group: RUNNING },
  defaults: {
    kind: "path",
    value: "FILE.json",
    help: "settings of all jobs; the manifest's own win",
    group: RUNNING,
  },
  results: {
    kind: "path",
    value: "FILE.jsonl",
    default: "results.jsonl in --out-dir; a shard has its own",
    help: "one line for each job as it ends",
    group: RUNNING,
  },
  force: { kind: "flag", help: "do again what is done", group: RUNNING },
  retryFailed: { kind: "flag", help: "try again what has failed for good", group: RUNNING },
  failFast: { kind: "flag", help: "stop at the first job that fails", group: RUNNING },
  shard: {
    kind: "string",
    value: "I/N",
    help: "only the I-th of N parts, I from 0: the same split everywhere, by a hash of the id",
    group: RUNNING,
  },
  ...GPU_OPTIONS,
  dryRun: { kind: "flag", help: "check every line, say what would be done, stop", group: RUNNING },
  ...QUEUE_OPTIONS,
  shared: {
    kind: "flag",
    help: "workers see --out-dir and all inputs under the same paths; without it files travel " +
      "through the queue",
    group: QUEUE,
  },
  detach: { kind: "flag", help: "put the jobs on the queue and do not wait", group: QUEUE },
  ...MODEL_OPTIONS,
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Options of `far worker`. */
export const WORKER_OPTIONS = {
  ...QUEUE_OPTIONS,
  outDir: {
    kind: "path",
    value: "DIR",
    default: "none: jobs of --shared batches are left to other workers",
    help: "where a --shared batch's folder is on this machine",
    group: QUEUE,
  },
  inDir: {
    kind: "path",
    value: "DIR",
    repeatable: true,
    help: "a folder, besides --out-dir, that jobs of a --shared batch may read",
    group: QUEUE,
  },
  lock: {
    kind: "number",
    min: 1,
    value: "SECONDS",
    default: "120",
    help: "how long a job stays with a worker that is not heard of",
    group: QUEUE,
  },
  drain: {
    kind: "number",
    min: 0,
    value: "SECONDS",
    default: "60",
    help: "after SIGTERM: time to finish the jobs in hand before they are given back",
    group: QUEUE,
  },
  idle: {
    kind: "number",
    min: 0,
    value: "SECONDS",
    default: "never",
    help: "end after so long without a job",
    group: QUEUE,
  },
  ...GPU_OPTIONS,
  ...MODEL_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;
