import type { Job as QueuedJob, Queue } from "bullmq";
import { UsageError } from "../../cli/errors.ts";
import type { BatchCall } from "../plan/options.ts";
import { nameOfQueueJob, parseQueueFailure } from "./queue_border.ts";
import { QueueLink } from "./queue_link.ts";

/** A queue and the model of its jobs. */
interface ModelQueue {
  readonly name: string;
  readonly queue: Queue;
}

/** `far batch status | failed | retry`: inspects and repairs a queue. */
export async function reportQueue(
  what: "status" | "failed" | "retry",
  operands: readonly string[],
  call: BatchCall,
): Promise<void> {
  const { redis, queue = "far" } = call.options;
  if (redis === undefined) throw new UsageError("Say which queue: give --redis URL");
  if (what !== "retry" && operands.length > 0) {
    throw new UsageError(`Cannot use "${operands[0]}": far batch ${what} takes no names`);
  }
  const link = await QueueLink.open({ url: redis, queue, note: call.terminal.note });
  try {
    const models = await link.models();
    const queues = [...models].map(([identity, name]) => ({ name, queue: link.queue(identity) }));
    if (what === "status") await tellStatus(queues, call);
    else if (what === "failed") await tellFailed(queues, call);
    else await retry(queues, operands, call);
  } finally {
    await link.close();
  }
}

async function tellStatus(
  queues: readonly ModelQueue[],
  { options, terminal }: BatchCall,
): Promise<void> {
  const rows = [];
  for (const { name, queue } of queues) {
    const counts = await queue.getJobCounts("waiting", "active", "delayed", "completed", "failed");
    const list = queue.toKey("wait"); // the number that autoscalers use
    rows.push({ model: name, ...counts, ...await workersOf(queue), list });
  }
  if (options.json) return await terminal.print(`${JSON.stringify({ models: rows })}\n`);
  const lines = rows.map(({ model, list: _, ...counts }) => {
    const text = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
    return `${model}: ${text.join(", ")}`;
  });
  await terminal.print(`${lines.join("\n") || "The queue has seen no jobs"}\n`);
}

/** Counts workers by CLIENT LIST, which not every user may call; other counts do not need it. */
async function workersOf(queue: Queue): Promise<{ readonly workers?: number }> {
  try {
    return { workers: await queue.getWorkersCount() };
  } catch {
    return {};
  }
}

async function tellFailed(
  queues: readonly ModelQueue[],
  { options, terminal }: BatchCall,
): Promise<void> {
  for (const { name, queue } of queues) {
    for (const job of await queue.getFailed()) {
      const { id, line } = nameOfQueueJob(job.data);
      const { attemptsMade: attempts } = job;
      const error = parseQueueFailure(job.progress, job.failedReason).message;
      const entry = { id, line, model: name, hash: job.id, attempts, error };
      const text = `job "${id}" (line ${line}, ${name}), attempt ${attempts}: ${error}`;
      await terminal.print(`${options.json ? JSON.stringify(entry) : text}\n`);
    }
  }
}

async function retry(
  queues: readonly ModelQueue[],
  ids: readonly string[],
  { options, terminal }: BatchCall,
): Promise<void> {
  const failed = (await Promise.all(queues.map(({ queue }) => queue.getFailed()))).flat();
  const isNamed = (job: QueuedJob, name: string) =>
    name === nameOfQueueJob(job.data).id || name === job.id;
  const missing = ids.filter((name) => !failed.some((job) => isNamed(job, name)));
  if (missing.length > 0) {
    throw new UsageError(`Cannot retry ${missing.join(", ")}: no failed job has that id`);
  }
  const wanted = ids.length === 0
    ? failed
    : failed.filter((job) => ids.some((name) => isNamed(job, name)));
  for (const job of wanted) await job.retry("failed", { resetAttemptsMade: true });
  const count = wanted.length;
  const text = `${count === 1 ? "1 job is" : `${count} jobs are`} tried again`;
  await terminal.print(`${options.json ? JSON.stringify({ retried: count }) : text}\n`);
}
