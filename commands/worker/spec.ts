import { WORKER_OPTIONS } from "../../batch/plan/options.ts";
import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { BATCH } from "../../cli/permissions.ts";

/** `far worker` as help, parser, completions and manual know it. */
export const WORKER: CommandSpec = defineCommand({
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
  permissions: BATCH,
  load: () => import("./run.ts"),
});
