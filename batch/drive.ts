import { untilAborted } from "../cli/abort.ts";
import type { Item } from "./plan/batch_jobs.ts";
import type { BatchRun, Executor } from "./batch_run.ts";
import type { Job } from "./plan/job.ts";

/**
 * Runs jobs as they arrive until all have ended or one of them stops the rest.
 * @param stop aborted from outside (a signal), or here by an error that stops the batch
 * @param unfinished jobs without a result, for cleaning up after a stop
 * @throws the reason of `stop`
 */
export async function drive(
  items: AsyncGenerator<Item, void, void>,
  run: BatchRun,
  executor: Executor,
  stop: AbortController,
  unfinished: Set<Job>,
): Promise<void> {
  const inFlight = new Set<Promise<void>>();
  const watch = (work: Promise<void>) => {
    const watched: Promise<void> = work
      .catch((error) => stop.abort(error))
      .finally(() => inFlight.delete(watched));
    inFlight.add(watched);
  };
  try {
    for await (const item of untilAborted(items, stop.signal)) {
      watch(handle(item, run, executor, unfinished));
      while (inFlight.size >= executor.window) await Promise.race(inFlight);
      stop.signal.throwIfAborted();
    }
  } finally {
    await Promise.all(inFlight);
  }
  stop.signal.throwIfAborted();
}

async function handle(
  item: Item,
  run: BatchRun,
  executor: Executor,
  unfinished: Set<Job>,
): Promise<void> {
  if ("problem" in item) return await run.reject(item.line, item.problem);
  if (!item.mustRun) {
    const decision = await run.decide(item.job);
    if (decision.kind !== "run") return await run.settle(decision);
  }
  unfinished.add(item.job);
  await run.run(item.job, executor);
  unfinished.delete(item.job);
}

/** Items for jobs that are known to need running. */
export async function* itemsOf(jobs: Iterable<Job>): AsyncGenerator<Item, void, void> {
  for (const job of jobs) yield { job, mustRun: true };
}
