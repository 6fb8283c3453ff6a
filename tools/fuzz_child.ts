/**
 * Runs a part of a fuzzing run in a process of its own, which is killed when an input takes too
 * long or too much memory: a timer inside that process could not do it.
 */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds of processor time that one input may take. */
const MOST_WORK = 60_000;
/** Milliseconds that one input may take by the clock, even on a machine that hardly lets it run. */
const LONGEST_WAIT = 1_800_000;
/** The same where the system does not tell the processor time of another process. */
const SHORT_WAIT = 120_000;
/** Milliseconds between two looks at a silent child. */
const LOOK_EVERY = 5_000;

/** How a child came to its end. */
export interface ChildEnd {
  readonly code: number;
  /** The input that was read last, or was being read. */
  readonly at: number;
  /** Milliseconds of processor time that it had taken by then. */
  readonly cpuMs: number;
  readonly isStuck: boolean;
}

/** Starts `script` with `args`; it writes the number of each input and its processor time. */
export async function runChild(script: string, args: readonly string[]): Promise<ChildEnd> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--max-old-space-size=2048", script, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let [at, cpuMs, isStuck, rest] = [-1, 0, false, ""];
  let heard = performance.now();
  const look = setInterval(() => {
    if (!isTooSlow(child.pid, performance.now() - heard, cpuMs)) return;
    isStuck = true;
    child.kill("SIGKILL");
  }, LOOK_EVERY);
  const stop = () => {
    console.error(`Stopped at input ${at}`);
    child.kill("SIGKILL");
    removeScratch(child.pid);
    Deno.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    heard = performance.now();
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    [at = at, cpuMs = cpuMs] = lines.at(-1)?.split(" ").map(Number) ?? [];
  }
  clearInterval(look);
  const { code } = await child.status;
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, stop);
  removeScratch(child.pid);
  return { code, at, cpuMs, isStuck };
}

/** Whether a child that last reported `cpuMs`, `silent` milliseconds ago, takes too long. */
function isTooSlow(pid: number, silent: number, cpuMs: number): boolean {
  const work = processorMs(pid);
  if (work === undefined) return silent > SHORT_WAIT;
  return work - cpuMs > MOST_WORK || silent > LONGEST_WAIT;
}

/** Processor time of another process in milliseconds; undefined if the system does not tell. */
function processorMs(pid: number): number | undefined {
  try {
    // after the name in parentheses: user and system time in hundredths of a second
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return undefined;
  }
}

/** Where scratch folders are: in memory if the system has such a place. */
function scratchPlace(): string {
  const memory = "/dev/shm";
  return Deno.build.os === "linux" && existsSync(memory) ? memory : tmpdir();
}

const prefix = (pid: number) => `far-fuzz-${pid}-`;

/** A temporary folder for inputs. */
export function scratchFolder(): string {
  const folder = Deno.makeTempDirSync({ dir: scratchPlace(), prefix: prefix(Deno.pid) });
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  return folder;
}

/** Removes what a child that was killed has left. */
function removeScratch(pid: number): void {
  for (const { name } of Deno.readDirSync(scratchPlace())) {
    if (name.startsWith(prefix(pid))) {
      Deno.removeSync(join(scratchPlace(), name), { recursive: true });
    }
  }
}
