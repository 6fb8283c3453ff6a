import { type ByteSource, shortRead } from "../files/byte_source.ts";
import type { CutFile } from "./world_file.ts";

/** An error whose message is meant for the page's visitor. */
export class PlayerError extends Error {
  override readonly name = "PlayerError";
}

/** Attempts per file before giving up. */
const TRIES = 3;
const PAUSE_MS = 1000;

/** Called with bytes as they arrive; negative if a file is restarted. */
export type OnBytes = (bytes: number) => void;

/**
 * Downloads a file of known length.
 * @throws {PlayerError} it is missing, has another length, or broke off repeatedly
 */
export async function download(url: URL, bytes: number, onBytes: OnBytes): Promise<Uint8Array> {
  for (let left = TRIES - 1;; left--) {
    let arrived = 0;
    try {
      return await readBody(url, bytes, (count) => {
        arrived += count;
        onBytes(count);
      });
    } catch (error) {
      onBytes(-arrived);
      if (error instanceof PlayerError || left === 0) throw explained(error, url);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

function explained(error: unknown, url: URL): PlayerError {
  if (error instanceof PlayerError) return error;
  const name = url.pathname.split("/").at(-1);
  return new PlayerError(
    `The download of ${name} broke off. Check the connection, then reload the page.`,
  );
}

async function readBody(url: URL, bytes: number, onBytes: OnBytes): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok || !response.body) {
    if (response.status >= 500) throw new TypeError(response.statusText);
    throw new PlayerError(
      `The host does not have ${url.pathname} (status ${response.status}). ` +
        `Upload the whole folder again.`,
    );
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const chunk of response.body) {
    if (at + chunk.length > bytes) throw wrongLength(url, bytes);
    whole.set(chunk, at);
    at += chunk.length;
    onBytes(chunk.length);
  }
  if (at < bytes) throw new TypeError("the connection broke");
  return whole;
}

function wrongLength(url: URL, bytes: number): PlayerError {
  return new PlayerError(
    `The host sends another ${url.pathname} than the ${bytes} bytes that belong to this world. ` +
      `Upload the whole folder again, then reload the page.`,
  );
}

/** A file in pieces, downloaded and joined. */
export class JoinedFile implements ByteSource {
  readonly size: number;

  private constructor(readonly path: string, private readonly pieces: readonly Uint8Array[]) {
    this.size = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** Downloads the pieces, one after the other. @throws {PlayerError} */
  static async download(name: string, file: CutFile, base: URL, onBytes: OnBytes) {
    const pieces: Uint8Array[] = [];
    for (const { path, bytes } of file.pieces) {
      pieces.push(await download(new URL(path, base), bytes, onBytes));
    }
    return new JoinedFile(name, pieces);
  }

  read(position: number, into: Uint8Array): Promise<void> {
    const end = position + into.length;
    if (position < 0 || end > this.size) {
      return Promise.reject(shortRead(this.path, end, this.size));
    }
    let start = 0;
    for (const piece of this.pieces) {
      const from = Math.max(position, start);
      const to = Math.min(end, start + piece.length);
      if (from < to) into.set(piece.subarray(from - start, to - start), from - position);
      start += piece.length;
    }
    return Promise.resolve();
  }

  close(): void {}
}
