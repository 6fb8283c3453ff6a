/** Something bytes are appended to. */
export interface ByteSink {
  /** Takes bytes; all of them when the promise is kept. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Writes all of `bytes`: the system may take fewer than it is given. */
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

/** Writes all of `bytes` at once; see {@linkcode writeAll}. */
export function writeAllSync(
  to: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): void {
  for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
}
