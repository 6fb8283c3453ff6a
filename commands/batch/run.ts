import { resolve } from "node:path";
import type { BatchExecutor } from "../../batch/batch_run.ts";
import { ownCommand } from "../../batch/gpu/gpu_process.ts";
import { Supervisor } from "../../batch/gpu/supervisor.ts";
import { wireJob } from "../../batch/plan/job.ts";
import { type BatchCall, parseGpuBatch } from "../../batch/plan/options.ts";
import { type OpenExecutor, runBatch } from "../../batch/run_batch.ts";
import type { Warnings } from "../../batch/warnings.ts";
import { UsageError } from "../../cli/errors.ts";

/** Jobs waiting for the GPU at once: enough to find some of equal shape. */
const WINDOW = 256;

/** `far batch`: runs the jobs of a manifest, here or through a queue. */
export async function run(call: BatchCall): Promise<void> {
  const { operands, options } = call;
  const [source, ...rest] = operands;
  if (source === "status" || source === "failed" || source === "retry") {
    const { reportQueue } = await import("../../batch/queue/queue_report.ts");
    return await reportQueue(source, rest, call);
  }
  if (rest.length > 0) throw new UsageError(`Cannot use "${rest[0]}": give one manifest`);
  for (const name of ["detach", "shared"] as const) {
    if (!options[name] || options.redis !== undefined) continue;
    throw new UsageError(`Cannot use --${name} without a queue: give --redis URL`);
  }
  await runBatch(source!, call, executorOf(options));
}

/** Executor of the jobs: this machine's GPU, or the workers of a queue. @throws {UsageError} */
export function executorOf(options: BatchCall["options"]): OpenExecutor {
  const gpuBatch = parseGpuBatch(options.gpuBatch);
  return (note, warnings) =>
    options.redis === undefined
      ? onThisGpu(options, gpuBatch, note, warnings)
      : throughQueue(options, options.redis, note);
}

/** Runs jobs in a GPU process of this machine. */
function onThisGpu(
  options: BatchCall["options"],
  gpuBatch: number | "auto",
  note: (line: string) => void,
  warnings: Warnings,
): BatchExecutor {
  const supervisor = new Supervisor({
    command: ownCommand(),
    gpuBatch,
    backend: options.backend,
    hangAfter: options.hangAfter ?? 600,
    note,
    warnings,
    said: options.verbose ? note : undefined,
  });
  const folder = resolve(options.outDir!);
  return {
    window: WINDOW,
    submit: (job) => supervisor.submit(wireJob(job, folder)),
    close: () => supervisor.close(),
    kill: (reason) => supervisor.kill(reason),
  };
}

/** Puts jobs on a queue, waits for them, and collects their outputs. */
async function throughQueue(
  options: BatchCall["options"],
  url: string,
  note: (line: string) => void,
): Promise<BatchExecutor> {
  const { QueueLink } = await import("../../batch/queue/queue_link.ts");
  const { QueueExecutor } = await import("../../batch/queue/queue_executor.ts");
  const link = await QueueLink.open({ url, queue: options.queue ?? "far", note });
  return new QueueExecutor(link, {
    folder: resolve(options.outDir!),
    shared: options.shared,
    again: options.force || options.retryFailed,
    detach: options.detach,
    note,
  });
}
