import { basename, dirname, extname, join } from "node:path";
import { digestFile, patternExpression, StuckMediaError } from "../app.ts";
import { isFile } from "../cli/folder.ts";
import { readClip } from "../mod.ts";
import { fileMetadata } from "../request/file_metadata.ts";
import { JOB_KEY, outputPath } from "./plan/identity.ts";
import { isSequence } from "./plan/output_names.ts";
import type { MadeFile, ResultRecord } from "./results.ts";

/**
 * The outputs of a finished job: complete, and made with the same settings and model, as shown by
 * the job's record or by its hash in the files.
 * @param files names relative to the folder
 * @returns undefined if anything is missing
 * @throws {MediaError} reading a file would never end
 */
export async function findDone(
  hash: string,
  folder: string,
  files: readonly string[],
  record: ResultRecord | undefined,
): Promise<{ readonly outputs: readonly MadeFile[]; readonly recorded: boolean } | undefined> {
  if (record?.status === "done" && await allThere(folder, record)) {
    return { outputs: record.outputs, recorded: true };
  }
  const outputs: MadeFile[] = [];
  for (const name of files) {
    const path = outputPath(folder, name);
    if (!await carriesHash(path, hash)) return undefined;
    outputs.push({ path: name, ...await digestFile(path) });
  }
  return { outputs, recorded: false };
}

async function allThere(folder: string, { outputs, at }: ResultRecord): Promise<boolean> {
  for (const made of outputs) if (!await isAsMade(folder, made, Date.parse(at))) return false;
  return outputs.length > 0;
}

/**
 * Files appear under their names only when complete, so their sizes suffice. A file younger than
 * its record may come from another job with the same name and size, so its bytes are checked.
 */
async function isAsMade(
  folder: string,
  { path, bytes, sha256 }: MadeFile,
  at: number,
): Promise<boolean> {
  const found = await look(outputPath(folder, path));
  if (found?.bytes !== bytes) return false;
  if (found.changed <= at && at <= Date.now()) return true; // a date in the future proves nothing
  return sha256 !== "" && (await digestFile(outputPath(folder, path))).sha256 === sha256;
}

interface Found {
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly changed: number;
}

/** A file, or all pictures of a `%d` pattern together; undefined if there is none. */
async function look(path: string): Promise<Found | undefined> {
  try {
    if (!isSequence(path)) return sumOf([await Deno.stat(path)]);
    const pattern = patternExpression(basename(path));
    const pictures: Deno.FileInfo[] = [];
    for await (const { name } of Deno.readDir(dirname(path))) {
      if (pattern.test(name)) pictures.push(await Deno.stat(join(dirname(path), name)));
    }
    return sumOf(pictures);
  } catch {
    return undefined;
  }
}

function sumOf(files: readonly Deno.FileInfo[]): Found {
  return {
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    changed: files.reduce((last, { mtime }) => Math.max(last, mtime?.getTime() ?? 0), 0),
  };
}

/** Whether the files of a job are in the folder as an answer describes them, byte for byte. */
export async function areAsAnswered(
  folder: string,
  outputs: readonly MadeFile[],
): Promise<boolean> {
  // no record is older than 1970, so the bytes decide
  for (const made of outputs) {
    if (made.sha256 === "") {
      if ((await look(outputPath(folder, made.path)))?.bytes !== made.bytes) return false;
    } else if (!await isAsMade(folder, made, -Infinity)) return false;
  }
  return true;
}

/** Whether outputs of that name contain the hash of their job; .y4m and %d pictures do not. */
function keepsHash(name: string): boolean {
  return !isSequence(name) && extname(name).toLowerCase() !== ".y4m";
}

/**
 * Whether a file contains this job's hash, or is of a kind without a hash.
 * @param name its final name, whose extension gives its type
 */
export async function isOf(path: string, hash: string, name: string): Promise<boolean> {
  if (!keepsHash(name)) return true;
  return await jobOf(path, name).then((said) => said === hash, () => false);
}

/** The hash of the job that made a file, if the file contains it. */
async function jobOf(path: string, name = path): Promise<string | undefined> {
  return (await fileMetadata(path, name))[JOB_KEY];
}

/** Whether a file can be read to its end and contains this job's hash. */
async function carriesHash(path: string, hash: string): Promise<boolean> {
  if (isSequence(path) || !await isFile(path)) return false;
  try {
    if (await jobOf(path) !== hash) return false;
    if (extname(path).toLowerCase() === ".safetensors") return true;
    const onlyFirst = { stride: Number.MAX_SAFE_INTEGER }; // read to the end without keeping it
    return (await readClip(path, onlyFirst)).warnings.length === 0;
  } catch (error) {
    if (error instanceof StuckMediaError) throw error; // its thread would run on
    return false; // whatever it is, it is not complete
  }
}
