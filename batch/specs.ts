import { defineCommand } from "../cli/command.ts";
import { BATCH_OPTIONS, WORKER_OPTIONS } from "./plan/options.ts";

const BATCH = defineCommand({
  name: "batch",
  summary: "run many jobs, here or on many machines",
  description:
    "Runs the jobs of a JSON lines manifest: each line is an object with generate's option names " +
    "and an id. Every line is checked before anything runs. The same command again does only what " +
    "is missing. With --redis the jobs go on a queue that `far worker` serves; `far batch status`, " +
    "`failed` and `retry [ID...]` look after it.",
  arguments: [
    { name: "JOBS.jsonl", help: "the manifest, - for a stream on stdin; or status, failed, retry" },
    {
      name: "ID",
      help: "for retry: which jobs (all that have failed)",
      optional: true,
      repeatable: true,
    },
  ],
  options: BATCH_OPTIONS,
  examples: [
    {
      line: "far batch jobs.jsonl --out-dir out",
      does: "run them, one line a job in out/results.jsonl",
    },
    { line: "far batch jobs.jsonl --out-dir out --shard 3/16", does: "one part of sixteen" },
    {
      line: "far batch jobs.jsonl --out-dir out --redis redis://host",
      does: "share them among workers",
    },
    { line: "far batch status --redis redis://host", does: "what the queue holds" },
  ],
  load: () => import("../commands/batch/run.ts"),
});

const WORKER = defineCommand({
  name: "worker",
  summary: "serve a queue of jobs with this machine's GPU",
  description:
    "Takes jobs that `far batch --redis` put on a queue, until it is stopped. SIGTERM lets it finish " +
    "what it has in hand (--drain); what it cannot finish goes back on the queue.",
  arguments: [],
  options: WORKER_OPTIONS,
  examples: [
    { line: "far worker --redis redis://host", does: "serve every model that is found here" },
    {
      line: "far worker --redis redis://host -m models/far-b --idle 60",
      does: "one model, and end when idle",
    },
  ],
  load: () => import("../commands/worker/run.ts"),
});

/** Many jobs, on one machine or many. */
export const BATCH_COMMANDS = [BATCH, WORKER];
