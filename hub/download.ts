/**
 * Downloads one file by its hash: resumable, verified, and never taken for complete before it is.
 */
import { CheckpointError, quote } from "../files/errors.ts";
import { unwritable } from "../files/folders.ts";
import { PartialFile } from "../files/partial_file.ts";
import { readWithin } from "./fetch.ts";

/** A file to fetch. */
export interface RemoteFile {
  /** For messages. */
  readonly name: string;
  readonly url: string;
  /** Bytes. */
  readonly size: number;
  /** sha256 of the content, or the sha1 that git gives it. */
  readonly hash: string;
}

/** How to fetch it. */
export interface DownloadOptions {
  /** Follows redirects, adds the token, and retries until an answer begins. */
  readonly fetch: typeof fetch;
  /** Seconds without data after which a connection is given up. */
  readonly timeout: number;
  /** Waits before a broken download continues. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Called with the bytes so far; fewer than before if the download restarts. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Most broken connections in a row without a new maximum of bytes between them. */
const MOST_BREAKS = 5;

/**
 * Fetches a file to `path`. What an earlier run left in `path` + `.far.incomplete` is hashed again
 * and continued.
 * @throws {CheckpointError} Hub: refused or unreachable; BadDownload: wrong size or content
 */
export async function download(
  remote: RemoteFile,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  const incomplete = `${path}.far.incomplete`;
  for (let attempt = 1;; attempt++) {
    const partial = await PartialFile.open(incomplete, remote.size, remote.hash);
    const kept = partial.size;
    let found: string;
    try {
      await fill(partial, remote, options);
      found = await partial.finish();
    } finally {
      partial.close();
    }
    if (found === remote.hash) return await publish(incomplete, path);
    await Deno.remove(incomplete);
    // The earlier run's bytes may have been wrong: try once more from the beginning.
    if (attempt > 1 || kept === 0) {
      throw new CheckpointError(
        `Cannot pull ${quote(remote.name)}: the download has the hash ${found.slice(0, 16)}..., ` +
          `not ${remote.hash.slice(0, 16)}..., and was discarded`,
        { reason: "BadDownload" },
      );
    }
  }
}

async function publish(incomplete: string, path: string): Promise<void> {
  try {
    await Deno.rename(incomplete, path);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** The connection broke; the bytes before that are kept. */
class Broken extends Error {}

/** Requests the missing bytes until all have arrived. */
async function fill(
  partial: PartialFile,
  remote: RemoteFile,
  options: DownloadOptions,
): Promise<void> {
  // Only a new maximum is progress: a server may cut each answer at the same place.
  let most = partial.size;
  for (let breaks = 0; partial.size < remote.size;) {
    options.onProgress?.(partial.size);
    try {
      await fetchRest(partial, remote, options);
    } catch (error) {
      if (!(error instanceof Broken) || options.signal?.aborted) throw error;
      breaks = partial.size > most ? 1 : breaks + 1;
      most = Math.max(most, partial.size);
      if (breaks > MOST_BREAKS) {
        throw new CheckpointError(
          `Cannot pull ${quote(remote.name)}: the connection broke ${breaks} times at ` +
            `${partial.size} of ${remote.size} bytes (${error.message}); run it again to continue`,
          { reason: "Hub", temporary: true, cause: error },
        );
      }
      await options.sleep(2 ** breaks * 250, options.signal);
    }
  }
  options.onProgress?.(partial.size);
}

async function fetchRest(
  partial: PartialFile,
  remote: RemoteFile,
  options: DownloadOptions,
): Promise<void> {
  const have = partial.size;
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (have > 0) headers.range = `bytes=${have}-`;
  const response = await options.fetch(remote.url, { headers, signal: options.signal });
  try {
    if (response.status === 416 && have > 0) {
      await partial.restart(); // the server's file is shorter than the bytes so far
      throw new Broken("the server has no such range");
    }
    checkAnswer(response, remote, have);
    // A server that does not support ranges sends everything, so the bytes so far must be dropped.
    if (response.status === 200) await partial.restart();
    await receive(response, partial, remote, options);
  } finally {
    if (!response.body?.locked) response.body?.cancel().catch(() => {});
  }
}

async function receive(
  response: Response,
  partial: PartialFile,
  remote: RemoteFile,
  { timeout, onProgress, signal }: DownloadOptions,
): Promise<void> {
  const reader = response.body?.getReader();
  if (!reader) throw new Broken("the answer is empty");
  try {
    for (;;) {
      const { value, done } = await readWithin(reader, timeout).catch((cause) => {
        throw new Broken(cause instanceof Error ? cause.message : String(cause));
      });
      if (done) break;
      if (partial.size + value.length > remote.size) {
        throw badDownload(remote, `the server sends more than its ${remote.size} bytes`);
      }
      await partial.append(value);
      onProgress?.(partial.size);
      signal?.throwIfAborted();
    }
  } finally {
    reader.cancel().catch(() => {}); // not awaited: the other side may never answer
  }
  // A closed connection looks like the end of the body.
  if (partial.size < remote.size) throw new Broken("it was closed early");
}

/** @throws {CheckpointError} the answer is neither this file nor the rest of it */
function checkAnswer({ status, headers }: Response, remote: RemoteFile, have: number): void {
  if (status !== 200 && status !== 206) throw statusError(status, remote.name);
  const tag = headers.get("x-linked-etag")?.replace(/^(W\/)?"|"$/g, "");
  if (tag !== undefined && tag !== remote.hash) {
    throw badDownload(remote, "the file has changed on the hub");
  }
  if ((headers.get("content-encoding") ?? "identity") !== "identity") {
    throw badDownload(remote, "the server compressed the answer, which must come unchanged");
  }
  const range = headers.get("content-range");
  const wanted = `bytes ${have}-${remote.size - 1}/${remote.size}`;
  if (status === 206 && (have === 0 || range !== wanted)) {
    throw badDownload(remote, `the server sends ${quote(range ?? "some part")}, not ${wanted}`);
  }
  const expected = status === 206 ? remote.size - have : remote.size;
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== expected) {
    throw badDownload(remote, `its length on the server is ${length}, not ${expected}`);
  }
}

function badDownload({ name }: RemoteFile, why: string): CheckpointError {
  return new CheckpointError(`Cannot pull ${quote(name)}: ${why}`, { reason: "BadDownload" });
}

/** The error for a status with which the hub refuses. */
export function statusError(status: number, name: string): CheckpointError {
  // Without a token the hub answers 401 for missing repositories too, to hide which exist.
  const why = status === 401
    ? "no such repository, or a private one: set HF_TOKEN to a token that may read it"
    : status === 403
    ? "access is restricted: accept its conditions on the hub, and set HF_TOKEN"
    : status === 404
    ? "the hub has no such repository, revision or file"
    : status === 429
    ? "the hub limits requests: try again later"
    : `the hub answers ${status}`;
  const temporary = status === 429 || status === 408 || status === 425 || status >= 500;
  return new CheckpointError(`Cannot pull ${quote(name)}: ${why}`, { reason: "Hub", temporary });
}
