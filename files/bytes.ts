/** The bytes of an array of numbers, in the machine's order; nothing is copied. */
export function bytesOf<B extends ArrayBufferLike>(
  { buffer, byteOffset, byteLength }: ArrayBufferView<B>,
): Uint8Array<B> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Pieces of bytes as one. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Bytes to read numbers from; nothing is copied. */
export function viewOf({ buffer, byteOffset, byteLength }: ArrayBufferView): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
