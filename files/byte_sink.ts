/** Something bytes are appended to. */
export interface ByteSink {
  /** Takes bytes; all of them when the promise is kept. */
  write(bytes: Uint8Array): Promise<void>;
}
