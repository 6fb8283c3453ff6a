import { BATCH_OPTIONS } from "../../batch/plan/options.ts";
import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { BATCH as PERMISSIONS } from "../../cli/permissions.ts";

/** Declaration of `far batch`. */
export const BATCH: CommandSpec = defineCommand({
  name: "batch",
  summary: "run many jobs, here or on many machines",
  description:
    "Runs the jobs of a JSON lines manifest: each line is an object with generate's option names " +
    "and an id. Every line is checked before anything runs. Run the same command again to do only what " +
    "is missing. With --redis the jobs go on a queue that `far worker` serves; `far batch status`, " +
    "`failed` and `retry [ID...]` inspect and repair it.",
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
      does: "run them, one line per job in out/results.jsonl",
    },
    { line: "far batch jobs.jsonl --out-dir out --shard 3/16", does: "one of sixteen parts" },
    {
      line: "far batch jobs.jsonl --out-dir out --redis redis://host",
      does: "share them among workers",
    },
    { line: "far batch status --redis redis://host", does: "what the queue holds" },
  ],
  permissions: PERMISSIONS,
  load: () => import("./run.ts"),
});
