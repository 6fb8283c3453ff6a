import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { ownCommand } from "../../batch/gpu/gpu_process.ts";
import { parseGpuBatch, type WORKER_OPTIONS } from "../../batch/plan/options.ts";
import { QueueLink } from "../../batch/queue/queue_link.ts";
import { ModelFinder } from "../../batch/queue/model_finder.ts";
import { GivenBackError, QueueWorker } from "../../batch/queue/queue_worker.ts";
import { AUTO_VIDEOS, Supervisor } from "../../batch/gpu/supervisor.ts";
import { WorkerFiles } from "../../batch/queue/worker_files.ts";
import { orAborted } from "../../cli/abort.ts";
import type { Call } from "../../cli/command.ts";
import { escaped } from "../../cli/escape.ts";
import { interrupted, InterruptedError, UsageError } from "../../cli/errors.ts";
import { isFolder } from "../../cli/folder.ts";
import { count } from "../../request/report.ts";

type WorkerCall = Call<typeof WORKER_OPTIONS>;

/** Milliseconds between checks for whether to end. */
const TICK_MS = 250;
const DRAIN_SECONDS = 60;
const LOCK_SECONDS = 120;
/** Jobs that arrive within this time form one batch. */
const GATHER_MS = 50;

/** `far worker`: serves a queue until it is stopped, or idle for too long. */
export async function run(call: WorkerCall): Promise<void> {
  const { options, terminal } = call;
  if (options.redis === undefined) {
    throw new UsageError("Give the queue to serve: --redis URL, or set FAR_REDIS");
  }
  const { outDir } = options;
  if (outDir && !await isFolder(outDir)) {
    throw new UsageError(`Cannot use --out-dir "${outDir}": there is no such folder`);
  }
  const gpuBatch = parseGpuBatch(options.gpuBatch);
  const note = options.quiet ? () => {} : (line: string) => terminal.note(escaped(line));
  const link = await QueueLink.open({ url: options.redis, queue: options.queue ?? "far", note });
  const supervisor = new Supervisor({
    command: ownCommand(),
    gpuBatch,
    backend: options.backend,
    hangAfter: options.hangAfter ?? 600,
    gather: GATHER_MS,
    note,
    said: options.verbose ? note : undefined,
  });
  await using files = await WorkerFiles.make();
  const stop = new AbortController();
  try {
    link.onRefused((error) => stop.abort(error));
    note("connected to the queue: opening the GPU");
    const device = await orAborted(supervisor.start(), call.signal);
    note(`worker on ${device.name}`);
    const worker = new QueueWorker({
      link,
      supervisor,
      files,
      concurrency: gpuBatch === "auto" ? AUTO_VIDEOS[device.cpu ? "cpu" : "gpu"] : gpuBatch,
      lock: options.lock ?? LOCK_SECONDS,
      outDir: outDir && resolve(outDir),
      inDirs: options.inDir?.map((folder) => resolve(folder)),
      note,
      onFatal: (error) => stop.abort(error),
    });
    const finder = new ModelFinder(worker, link, { model: options.model, note });
    await serve(worker, supervisor, finder, call, stop);
  } finally {
    await supervisor.kill(new GivenBackError("the worker has stopped"));
    await link.close();
  }
}

/** Looks for new models until the worker was idle for so many seconds. */
async function serveUntilIdle(
  worker: QueueWorker,
  finder: ModelFinder,
  idleSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await finder.look();
    const idle = (performance.now() - worker.lastActive) / 1000;
    if (worker.active === 0 && idle >= idleSeconds) return;
    await setTimeout(TICK_MS, undefined, { signal }).catch(() => {});
  }
}

async function serve(
  worker: QueueWorker,
  supervisor: Supervisor,
  finder: ModelFinder,
  { options, signal }: WorkerCall,
  stop: AbortController,
): Promise<void> {
  const interrupt = () => stop.abort(signal.reason);
  signal.addEventListener("abort", interrupt);
  if (signal.aborted) interrupt();
  let error: unknown;
  try {
    // react to signals whatever the connection is waiting for
    await orAborted(
      serveUntilIdle(worker, finder, options.idle ?? Infinity, stop.signal),
      stop.signal,
    );
  } catch (thrown) {
    error = thrown;
  }
  signal.removeEventListener("abort", interrupt);
  await worker.pause();
  const { reason } = stop.signal;
  const patience = options.drain ?? DRAIN_SECONDS;
  const end = performance.now() + 1000 * patience;
  // a terminated worker may finish its jobs; an interrupted or broken one cannot
  const mayFinish = reason instanceof InterruptedError && reason.status === 143;
  const left = await drain(worker, supervisor, mayFinish ? patience : 0);
  await worker.close(Math.max(1, (end - performance.now()) / 1000));
  if (error === undefined) return;
  const back = `${count(left, "unfinished job")} ${left > 1 ? "go" : "goes"} back to the queue`;
  throw interrupted(error, left > 0 ? back : "no job is left unfinished");
}

/** Waits for current jobs for a limited time. @returns how many go back to the queue */
async function drain(
  worker: QueueWorker,
  supervisor: Supervisor,
  seconds: number,
): Promise<number> {
  const reason = new GivenBackError("the worker is stopping");
  supervisor.withdraw(reason);
  const end = performance.now() + seconds * 1000;
  while (worker.active > 0 && performance.now() < end) await setTimeout(TICK_MS);
  const left = worker.active;
  await supervisor.kill(reason);
  return left;
}
