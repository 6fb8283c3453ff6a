import { writeAllSync } from "../../app.ts";
import { Gpu, GpuError } from "../../mod.ts";
import { failureOf } from "./child_failure.ts";
import type { ChildSettings } from "./child_settings.ts";
import { DeviceLostError, GpuRunner } from "./gpu_runner.ts";
import { ModelShelf } from "./model_shelf.ts";
import { type ChildMessage, encodeLine, readLines, type RunMessage } from "./protocol.ts";

/** Time for an orphan to clean up. */
const CLEAN_UP_MS = 2000;

/**
 * The GPU process: takes jobs on stdin, answers on stdout, ends with its supervisor.
 * @returns exit status, which is ignored: only records count
 */
export async function runChild(argument = "{}"): Promise<number> {
  ignoreSignals();
  const settings: ChildSettings = JSON.parse(argument);
  const shelf = new ModelShelf(() => Gpu.open(settings));
  const runner = new GpuRunner(shelf, send);
  let work = begin(shelf);
  let busy = 0;
  for await (const line of readLines(Deno.stdin.readable)) {
    busy++;
    const message: RunMessage = JSON.parse(line);
    work = work.then(() => runner.run(message)).catch(end).finally(() => busy--).then(() => {
      if (runner.isRetired) Deno.exit(0); // whatever its threads do
    });
  }
  // the supervisor is gone or no longer needs this process
  const cleaned = busy > 0 ? runner.abort() : work.then(() => shelf.clear());
  await Promise.race([cleaned, new Promise((resolve) => setTimeout(resolve, CLEAN_UP_MS))]);
  return 0;
}

async function begin(shelf: ModelShelf): Promise<void> {
  try {
    const { adapter: { name, cpu } } = await shelf.gpu();
    send({ type: "ready", device: { name, cpu } });
  } catch (error) {
    end(error);
  }
}

/** Ends the process: this device or this model is unusable. */
function end(error: unknown): never {
  if (error instanceof DeviceLostError) send({ type: "lost", message: error.message });
  else send({ type: "fatal", error: failureOf(error) });
  Deno.exit(error instanceof GpuError ? 75 : 1);
}

/** The supervisor handles signals: it decides what happens to the current work. */
function ignoreSignals(): void {
  const signals = Deno.build.os === "windows"
    ? ["SIGINT"] as const
    : ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) Deno.addSignalListener(name, () => {});
}

/** Written synchronously, so that it arrives even if the driver crashes the process next. */
function send(message: ChildMessage): void {
  // a line break first: a library may have left a line unfinished
  const line = encodeLine(message);
  const bytes = new Uint8Array(line.length + 1);
  bytes[0] = 10;
  bytes.set(line, 1);
  try {
    writeAllSync(Deno.stdout, bytes);
  } catch {
    // the supervisor is gone, which the end of stdin shows too
  }
}
