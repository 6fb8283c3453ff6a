/** Names from a user or a hub that become paths: only plain ones are accepted. */
import { isDeviceName } from "../files/device_names.ts";
import { CheckpointError, quote } from "../files/errors.ts";

/** A repository of the hub, or a file of one. */
export interface HubTarget {
  /** `owner/name` */
  readonly repository: string;
  /** Path of one file in it. */
  readonly file: string | undefined;
  /** Branch, tag or commit. */
  readonly revision: string;
}

const REPOSITORY = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?\/[A-Za-z0-9_.-]{1,96}$/;
/** Characters that some system does not allow in a name or treats specially. */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f\\:*?"<>|]/;

/**
 * Parses `owner/name` or `owner/name/path/of/file`, with or without `@revision`.
 * @throws {CheckpointError} it is neither
 */
export function parseTarget(text: string): HubTarget {
  const [, path = "", revision = "main"] = /^([^@]*)(?:@(.*))?$/s.exec(text) ?? [];
  const [owner, name, ...rest] = path.split("/");
  const repository = checkRepository(`${owner}/${name ?? ""}`);
  const file = rest.length ? checkPath(rest.join("/")) : undefined;
  return { repository, file, revision: checkRevision(revision) };
}

/** @throws {CheckpointError} it is not `owner/name` */
function checkRepository(repository: string): string {
  const plain = REPOSITORY.test(repository) && !/\.\.|--|\.git$/.test(repository) &&
    repository.split("/").every(isPlainName);
  if (plain) return repository;
  throw refuse(repository, 'it is neither a preset nor a repository ("owner/name")');
}

/** @throws {CheckpointError} it is not the name of a branch, tag or commit */
function checkRevision(revision: string): string {
  const plain = /^[A-Za-z0-9._/-]{1,200}$/.test(revision) && !revision.startsWith("-") &&
    revision.split("/").every(isPlainName);
  if (plain) return revision;
  throw refuse(revision, "it is not the name of a branch, tag or commit");
}

/**
 * Checks a path of a file in a repository, by the rules of all systems.
 * @throws {CheckpointError} it could lead elsewhere
 */
export function checkPath(path: string): string {
  if (path.length <= 1000 && path.split("/").every(isPlainName)) return path;
  throw refuse(path, "it is not a plain file path");
}

function isPlainName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && name.length <= 255 &&
    name.isWellFormed() && !FORBIDDEN.test(name) && !isDeviceName(name) && !/[ .]$/.test(name);
}

/** @throws {CheckpointError} the hub's answer is not a commit */
export function checkCommit(commit: unknown): string {
  if (typeof commit === "string" && isCommit(commit)) return commit;
  throw refuse(String(commit), "it is not a commit hash");
}

/** Whether it is the full hash of a commit. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

function refuse(name: string, why: string): CheckpointError {
  return new CheckpointError(`Cannot use ${quote(name)}: ${why}`, { reason: "Hub" });
}
