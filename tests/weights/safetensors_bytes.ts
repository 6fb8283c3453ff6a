// Builds safetensors files byte by byte, in the notation of the tables: H is a file with a header,
// T a tensor's entry in it.

/** A file of the JSON header `json` and `zeros` bytes of data. */
export function H(json: string | Uint8Array, zeros = 0): Uint8Array {
  const text = typeof json === "string" ? new TextEncoder().encode(json) : json;
  const file = new Uint8Array(8 + text.length + zeros);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

/** JSON of one tensor; numbers may be given as text to keep them unrounded. */
export function T(dtype: string, shape: unknown, begin: unknown, end: unknown): string {
  const shapeJson = Array.isArray(shape) ? `[${shape.join(",")}]` : shape;
  return `{"dtype":"${dtype}","shape":${shapeJson},"data_offsets":[${begin},${end}]}`;
}

/** Bytes from hexadecimal. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
