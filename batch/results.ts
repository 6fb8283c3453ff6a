import { dirname, join } from "node:path";
import { UsageError } from "../cli/errors.ts";
import { entriesIn, isFolder } from "../cli/folder.ts";
import { nameFault } from "./plan/output_names.ts";
import { type FileDigest, writeAll } from "../app.ts";

/** A finished file of a job. */
export interface MadeFile extends FileDigest {
  /** Path relative to the output folder. */
  readonly path: string;
}

/** What a job has made. */
export interface Made {
  /** From the start of its GPU batch to its last output. */
  readonly seconds: number;
  /** Videos in that batch. */
  readonly batch: number;
  readonly outputs: readonly MadeFile[];
}

/** Why a job failed. */
export interface JobFailure {
  readonly message: string;
  /** Whether a retry may succeed: device, memory, network or disk failed. */
  readonly temporary: boolean;
}

/** One line of the results file: how a job ended. */
export interface ResultRecord extends Partial<Made> {
  readonly id: string;
  readonly line: number;
  readonly hash: string;
  readonly status: "done" | "failed";
  readonly outputs: readonly MadeFile[];
  readonly error?: string;
  readonly temporary?: boolean;
  /** Whether the outputs already existed, from a run without a record. */
  readonly found?: boolean;
  /** ISO 8601. */
  readonly at: string;
}

/** Appends records to a JSON lines file; each is complete when `add` resolves. */
export class ResultsFile {
  #begun = false;

  constructor(readonly path: string) {}

  /**
   * Opens the file each time, so that a removed folder is noticed.
   * @throws the system's error: disk full, folder gone
   */
  async add(record: ResultRecord): Promise<void> {
    using file = await Deno.open(this.path, { read: true, append: true, create: true });
    const torn = this.#begun ? false : await endsWithinLine(file);
    this.#begun = true;
    const line = new TextEncoder().encode(`${torn ? "\n" : ""}${JSON.stringify(record)}\n`);
    // one write: other processes may append to the same file
    await writeAll(file, line);
  }
}

/** Whether an earlier run was killed in the middle of a line. */
async function endsWithinLine(file: Deno.FsFile): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  await file.seek(size - 1, Deno.SeekMode.Start);
  const last = new Uint8Array(1);
  await file.read(last);
  return last[0] !== 10;
}

/**
 * Checks before anything runs whether results can be written there.
 * @throws {UsageError} there is no such folder
 */
export async function checkResultsPath(path: string): Promise<void> {
  if (await isFolder(dirname(path))) return;
  throw new UsageError(`Cannot write results to "${path}": there is no such folder`);
}

/**
 * Reads records; incomplete lines are skipped. A missing file has none.
 * @throws {UsageError} a device or a folder
 */
export async function readResults(path: string): Promise<ResultRecord[]> {
  let text: string;
  let written: number;
  try {
    const { isFile, mtime } = await Deno.stat(path);
    if (!isFile) {
      throw new UsageError(`Cannot write results to "${path}": it is not a regular file`);
    }
    written = mtime?.getTime() ?? 0;
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").map(parseRecord).filter((record) => record !== undefined)
    .map((record) => Date.parse(record.at) <= written + SLACK_MS ? record : undated(record));
}

/** File times may have a resolution of two seconds. */
const SLACK_MS = 2000;

/** Drops the date of a record younger than its file, since a clock was wrong. */
function undated(record: ResultRecord): ResultRecord {
  return { ...record, at: new Date(0).toISOString() };
}

function parseRecord(line: string): ResultRecord | undefined {
  try {
    const value = JSON.parse(line);
    const fits = typeof value?.hash === "string" && typeof value.id === "string" &&
      typeof value.at === "string" && Array.isArray(value.outputs) &&
      value.outputs.every(isMade) && (value.status === "done" || value.status === "failed");
    return fits ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMade(json: unknown): json is MadeFile {
  const { path, bytes, sha256 } = (json ?? {}) as Partial<Record<keyof MadeFile, unknown>>;
  return typeof path === "string" && nameFault(path) === undefined &&
    typeof bytes === "number" && typeof sha256 === "string";
}

/**
 * The last record of each hash, from the results of all shards in the folder and from `own`. A job
 * that was done once counts as done, whatever came later: its outputs decide.
 */
export async function knownResults(
  folder: string,
  own: string,
): Promise<Map<string, ResultRecord>> {
  const paths = new Set([own]);
  for (const { name } of await entriesIn(folder)) {
    if (/^results(\.\d+-of-\d+)?\.jsonl$/.test(name)) paths.add(join(folder, name));
  }
  const known = new Map<string, ResultRecord>();
  for (const path of [...paths].sort()) {
    for (const record of await readResults(path)) {
      const before = known.get(record.hash);
      if (!before || record.at >= before.at) known.set(record.hash, record);
    }
  }
  return known;
}
