/** The hub's listing of a repository's files, checked before any of them is fetched. */
import { CheckpointError, quote } from "../files/errors.ts";
import { isObject } from "../files/json.ts";
import { checkHash } from "./cache.ts";
import { statusError } from "./download.ts";
import { checkPath } from "./names.ts";

/** A file as the hub lists it, checked. */
export interface ListedFile {
  /** Its path in the repository. */
  readonly name: string;
  readonly size: number;
  /** sha256 of a large file, git's sha1 of a small one. */
  readonly hash: string;
}

/** Most entries of a listing, folders included: a hundred times more than any model folder has. */
export const MOST_ENTRIES = 100_000;

/** The names of a listing's files. @throws {CheckpointError} Hub: it is not a listing */
export function fileNames(entries: readonly unknown[], repository: string): string[] {
  return filesOf(entries, repository).map(({ path }) => path);
}

/**
 * The files that are wanted.
 * @throws {CheckpointError} Hub: one is missing, listed twice, or has a name that some system does
 *   not allow; two names differ only in case
 */
export function wantedFiles(
  entries: readonly unknown[],
  names: readonly string[],
  repository: string,
): ListedFile[] {
  const found = new Map<string, Record<string, unknown>>();
  for (const entry of filesOf(entries, repository)) {
    if (found.has(entry.path)) refuse(repository, `the hub lists ${quote(entry.path)} twice`);
    found.set(entry.path, entry);
  }
  checkTwins(names, repository);
  return names.map((name) => {
    const entry = found.get(name);
    if (!entry) throw statusError(404, `${repository}/${name}`);
    const lfs = isObject(entry.lfs) ? entry.lfs : entry;
    const { size } = lfs;
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      refuse(repository, `the hub gives ${quote(name)} no usable size`);
    }
    return { name: checkPath(name), size, hash: checkHash(lfs.oid, name) };
  });
}

/**
 * macOS and Windows would overwrite one file with the other, also if their folders differ in case.
 */
function checkTwins(names: readonly string[], repository: string): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const parts = name.split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      const key = path.normalize("NFKC").toUpperCase().toLowerCase(); // also folds sharp s
      const twin = seen.get(key);
      const whole = depth === parts.length;
      if (twin !== undefined && (twin !== path || whole)) {
        refuse(repository, `${quote(twin)} and ${quote(path)} would be one file on some systems`);
      }
      seen.set(key, path);
    }
  }
}

function filesOf(
  entries: readonly unknown[],
  repository: string,
): (Record<string, unknown> & { path: string })[] {
  return entries.flatMap((entry) => {
    if (!isObject(entry)) refuse(repository, "the hub's answer is not understood");
    const { type, path } = entry;
    if (type !== "file") return [];
    if (typeof path !== "string") refuse(repository, "the hub's answer is not understood");
    return [{ ...entry, path }];
  });
}

function refuse(repository: string, why: string): never {
  throw new CheckpointError(`Cannot pull ${quote(repository)}: ${why}`, { reason: "Hub" });
}
