/** Downloads one file by its hash: resumable, verified, never mistaken for whole before it is. */
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

/** How it is fetched. */
export interface DownloadOptions {
  /** Follows redirects, keeps the token, tries again before an answer begins. */
  readonly fetch: typeof fetch;
  /** Seconds without a byte after which a connection is given up. */
  readonly timeout: number;
  /** Waits before a broken download goes on. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Called with the bytes that are there; fewer than before if it starts again. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Breaks in a row, without more bytes than ever between them, that are put up with. */
const MOST_BREAKS = 5;

/**
 * Fetches a file to `path`. What an earlier run left in `path` + `.far.incomplete` is kept, hashed
 * again, and gone on from.
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
    // What an earlier run left may have been wrong; from nothing it should be right.
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

/** The connection broke; what came before is kept. */
class Broken extends Error {}

/** Asks for what is missing until it is there. */
async function fill(
  partial: PartialFile,
  remote: RemoteFile,
  options: DownloadOptions,
): Promise<void> {
  // More bytes than ever, not more than before: a server may cut each answer at the same place.
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
      await partial.restart(); // the server's file is shorter than what is there
      throw new Broken("the server has no such range");
    }
    checkAnswer(response, remote, have);
    // A server that doesn't know ranges sends everything: what is there must not be kept then.
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
    reader.cancel().catch(() => {}); // not waited for: the other side may never answer
  }
  // A connection that is simply closed looks like an end.
  if (partial.size < remote.size) throw new Broken("it was closed early");
}

/** @throws {CheckpointError} the answer isn't this file or the rest of it */
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
    throw badDownload(remote, `the server has ${length} bytes, not ${expected}`);
  }
}

function badDownload({ name }: RemoteFile, why: string): CheckpointError {
  return new CheckpointError(`Cannot pull ${quote(name)}: ${why}`, { reason: "BadDownload" });
}

/** What a refusal of the hub means to the user. */
export function statusError(status: number, name: string): CheckpointError {
  // Without a token the hub answers 401 also for what isn't there, so that nobody can tell.
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
