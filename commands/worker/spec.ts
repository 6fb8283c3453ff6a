import { WORKER_OPTIONS } from "../../batch/plan/options.ts";
import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { BATCH } from "../../cli/permissions.ts";

/** Declaration of `far worker`. */
export const WORKER: CommandSpec = defineCommand({
  name: "worker",
  summary: "serve a queue of jobs with this machine's GPU",
  description:
    "Runs jobs that `far batch --redis` put on a queue, until it is stopped. On SIGTERM it finishes " +
    "its current jobs (--drain) and puts the rest back on the queue.",
  arguments: [],
  options: WORKER_OPTIONS,
  examples: [
    { line: "far worker --redis redis://host", does: "serve every model on this machine" },
    {
      line: "far worker --redis redis://host -m models/far-b --idle 60",
      does: "serve one model, and exit when idle",
    },
  ],
  permissions: BATCH,
  load: () => import("./run.ts"),
});
