/** The bytes of an array of numbers, in the machine's order; nothing is copied. */
export function bytesOf<B extends ArrayBufferLike>(
  { buffer, byteOffset, byteLength }: ArrayBufferView<B>,
): Uint8Array<B> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Bytes to read numbers from; nothing is copied. */
export function viewOf({ buffer, byteOffset, byteLength }: ArrayBufferView): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
