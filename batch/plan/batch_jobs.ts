import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { isObject } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import { parseJsonText } from "../../cli/json_text.ts";
import { readText } from "../../cli/text_file.ts";
import type { Fields } from "./expand.ts";
import { type Job, JobChecker } from "./job.ts";
import { Digests } from "./digest.ts";
import { type Entry, Manifest } from "./manifest.ts";
import { shardOf } from "./identity.ts";
import { readLines } from "../gpu/protocol.ts";

/** A parsed line; without `mustRun` the job may already be done. */
export type Item =
  | { readonly job: Job; readonly mustRun?: boolean }
  | { readonly line: number; readonly problem: string };

/** Which jobs of a manifest to run, and their common settings. */
export interface JobsOptions {
  /** Settings of all jobs; later ones take precedence. */
  readonly common: readonly { readonly fields: Fields; readonly where: string }[];
  readonly shard?: { readonly index: number; readonly count: number };
  /** Whether their files are sent through a queue. */
  readonly travels?: boolean;
}

const LOOKED_AT_ONCE = 1000;

/** Reads `--defaults`. @throws {UsageError} */
export async function readDefaults(path: string): Promise<Fields> {
  const what = `defaults "${path}"`;
  const json = parseJsonText(await readText(path, what), what);
  if (isObject(json)) return json;
  throw new UsageError(`Cannot use "${path}": it must be one JSON object`);
}

/**
 * All jobs of a manifest file.
 * @throws {UsageError} lists every problem of every line
 */
export async function readJobs(path: string, options: JobsOptions): Promise<Job[]> {
  const name = basename(path);
  const manifest = new Manifest(name, options.common);
  const checker = new JobChecker({ name, digests: new Digests(), travels: options.travels });
  const jobs: Job[] = [];
  const problems = new Set<string>();
  let looked = 0;
  for (const line of (await readText(path, `"${path}"`)).split("\n")) {
    const read = manifest.read(line);
    for (const problem of read.problems) problems.add(problem);
    for (const entry of read.entries) {
      if (++looked % LOOKED_AT_ONCE === 0) await setImmediate(); // so that Ctrl-C is heard
      // every shard checks every line, so problems are found before any of them runs
      const checked = await checker.check(entry);
      for (const problem of checked.problems) problems.add(problem);
      if (checked.job && isMine(entry, options)) jobs.push(checked.job);
    }
  }
  if (problems.size > 0) throw new UsageError(problemText([...problems], path));
  return jobs;
}

function problemText(problems: readonly string[], path: string): string {
  if (problems.length === 1) return problems[0]!;
  return `There are ${problems.length} problems in "${path}"; nothing was run:\n` +
    problems.map((problem) => `  ${problem}`).join("\n");
}

function isMine({ id }: Entry, { shard }: JobsOptions): boolean {
  return !shard || shardOf(id, shard.count) === shard.index;
}

/** Jobs of a stream of lines as they arrive; a wrong line does not stop the others. */
export async function* streamJobs(
  stream: ReadableStream<Uint8Array>,
  options: JobsOptions,
): AsyncGenerator<Item, void, void> {
  const manifest = new Manifest("stdin", options.common);
  const { travels } = options;
  const checker = new JobChecker({ name: "stdin", digests: new Digests(), travels });
  let line = 0;
  for await (const text of readLines(stream)) {
    line++;
    const { entries, problems } = manifest.read(text);
    for (const problem of problems) yield { line, problem };
    for (const entry of entries.filter((one) => isMine(one, options))) {
      const { job, problems } = await checker.check(entry);
      for (const problem of problems) yield { line, problem };
      if (job) yield { job };
    }
  }
}
