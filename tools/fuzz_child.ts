/**
 * Runs a part of a fuzzing run in a process of its own, which is killed when an input takes too
 * long or too much memory: a timer inside that process could not do it.
 */
import { existsSync } from "node:fs";

/** Milliseconds that one input may take, even on a busy machine. */
const DEADLINE = 120_000;

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
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--max-old-space-size=2048", script, ...args],
    stdout: "piped",
    stderr: "inherit",
  });
  const child = command.spawn();
  let [at, cpuMs, isStuck, rest] = [-1, 0, false, ""];
  const giveUp = () => {
    isStuck = true;
    child.kill("SIGKILL");
  };
  const stop = () => {
    console.error(`Stopped at input ${at}`);
    child.kill("SIGKILL");
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", stop);
  let timer = setTimeout(giveUp, DEADLINE);
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(timer);
    timer = setTimeout(giveUp, DEADLINE);
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    [at = at, cpuMs = cpuMs] = lines.at(-1)?.split(" ").map(Number) ?? [];
  }
  clearTimeout(timer);
  const { code } = await child.status;
  Deno.removeSignalListener("SIGINT", stop);
  return { code, at, cpuMs, isStuck };
}

/** A temporary folder for inputs, in memory if the system has such a place. */
export function scratchFolder(): string {
  const memory = "/dev/shm";
  const isThere = Deno.build.os === "linux" && existsSync(memory);
  const folder = Deno.makeTempDirSync(isThere ? { dir: memory } : {});
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  return folder;
}
