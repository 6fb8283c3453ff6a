/** Something bytes are appended to. */
export interface ByteSink {
  /** Writes bytes; all of them are written when the promise resolves. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Writes all of `bytes`; a single system call may write fewer. */
export async function writeAll(
  to: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const count = await to.write(bytes.subarray(done));
    if (count <= 0) throw new Error("the system accepts no more bytes");
    done += count;
  }
}

/** Writes all of `bytes` synchronously; see {@linkcode writeAll}. */
export function writeAllSync(
  to: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): void {
  for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
}
