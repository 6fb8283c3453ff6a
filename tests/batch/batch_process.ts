import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { SafetensorsFile } from "../../weights/safetensors.ts";

const ROOT = `${import.meta.dirname}/../../`;

/** A golden model of 32x32 pixels. */
export const MODEL = join(ROOT, "tests/fixtures/goldens/far-uncond");

/** Settings under which a job takes a few hundredths of a second on a software adapter. */
export const TINY = { defaults: { model: MODEL, frames: 1, steps: 1, size: "32x32" } };

/** A running `far`. */
export interface FarProcess {
  readonly child: Deno.ChildProcess;
  readonly ended: Promise<{ code: number; signal: string | null; stdout: string; stderr: string }>;
}

/** Starts the program as a user does. */
export function startFar(...args: string[]): FarProcess {
  return startFarWith({}, ...args);
}

/** The same, with additional environment variables. */
export function startFarWith(env: Record<string, string>, ...args: string[]): FarProcess {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(ROOT, "cli.ts"), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  const ended = child.output().then(({ code, signal, stdout, stderr }) => ({
    code,
    signal,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  }));
  return { child, ended };
}

/** Processes whose parent is the given one: of a batch, its GPU process. Linux only. */
export function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) === pid) children.push(Number(name));
    } catch {
      // it has ended in the meantime
    }
  }
  return children;
}

/** Ends a process without a chance to clean up. */
export function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // it has ended already
  }
}

/** Waits until a condition holds; the limit is generous, for busy machines. */
export async function until(what: string, test: () => boolean, seconds = 240): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!test()) {
    if (performance.now() > end) throw new Error(`Waited ${seconds} s in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Number of lines in a file so far; 0 if it does not exist. */
export function lineCount(path: string): number {
  try {
    return Deno.readTextFileSync(path).split("\n").length - 1;
  } catch {
    return 0;
  }
}

/** Every file under a folder, by its path from there. */
export function filesUnder(folder: string, under = ""): string[] {
  return [...Deno.readDirSync(join(folder, under))].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesUnder(folder, join(under, name)) : [join(under, name)]
  ).sort();
}

/** Reads a whole output. @throws if it is incomplete */
export async function checkWhole(path: string): Promise<void> {
  if (path.endsWith(".safetensors")) return (await SafetensorsFile.open(path)).close();
  const { frames, warnings } = await readClip(path);
  if (frames.length === 0 || warnings.length > 0) throw new Error(`${path}: ${warnings}`);
}

/** What a folder of outputs must be at any moment: everything under a final name is whole. */
export async function checkOutputs(folder: string): Promise<string[]> {
  const names = filesUnder(folder)
    .filter((name) => !/\.(partial|jsonl|lock|html)$/.test(name));
  for (const name of names) await checkWhole(join(folder, name));
  return names;
}
