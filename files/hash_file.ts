import { createHash, type Hash } from "node:crypto";

/** Adds the rest of a file to a hash. @returns how many bytes */
export async function hashRest(
  file: Deno.FsFile,
  hash: Hash,
  onBytes: (bytes: number) => void = () => {},
): Promise<number> {
  const buffer = new Uint8Array(1 << 20);
  let bytes = 0;
  for (let count; (count = await file.read(buffer)) !== null;) {
    hash.update(buffer.subarray(0, count));
    bytes += count;
    onBytes(count);
  }
  return bytes;
}

/** Bytes and sha256, in hexadecimal, of a file. */
export interface FileDigest {
  /** Its length. */
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** Reads a file through once. @throws whatever opening or reading it throws */
export async function digestFile(path: string): Promise<FileDigest> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const bytes = await hashRest(file, hash);
  return { bytes, sha256: hash.digest("hex") };
}

/** sha256 of text or bytes, in hexadecimal. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
