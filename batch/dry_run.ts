import { UsageError } from "../cli/errors.ts";
import type { BatchRun } from "./batch_run.ts";
import type { Job } from "./plan/job.ts";
import { jsonOf } from "../cli/settings.ts";
import type { BatchCall } from "./plan/options.ts";

/** Output of `far batch --dry-run`: one JSON line per job, or the number of jobs of each kind. */
export async function dryRun(
  jobs: readonly Job[] | undefined,
  batch: BatchRun,
  { options, terminal }: BatchCall,
): Promise<void> {
  if (!jobs) throw new UsageError("Cannot use --dry-run with a stream: give a file");
  const counts = { run: 0, done: 0, failed: 0 };
  for (const job of jobs) {
    const { kind } = await batch.decide(job);
    counts[kind]++;
    if (!options.json) continue;
    const { entry: { id, line, values, outputs }, hash, model } = job;
    const plan = {
      id,
      line,
      would: kind,
      hash,
      model: model.name,
      outputs,
      options: jsonOf(values),
    };
    await terminal.print(`${JSON.stringify(plan)}\n`);
  }
  if (options.json) return;
  const models = new Set(jobs.map(({ model }) => model.name));
  const lines = [
    `jobs      ${jobs.length}, ${models.size === 1 ? "model" : "models"} ${[...models].join(", ")}`,
    `to do     ${counts.run}`,
    `done      ${counts.done}`,
    `failed    ${counts.failed}${counts.failed > 0 ? " (--retry-failed tries them again)" : ""}`,
  ];
  await terminal.print(`${lines.join("\n")}\n`);
}
