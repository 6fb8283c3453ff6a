import type { FrameMessage } from "../../../player/protocol.ts";

/** Bytes before the pixels. */
const HEADER = 24;

/** The inverse of `frameBytes`, as page.js does it. */
export function parseFrame(bytes: Uint8Array): FrameMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    id: view.getUint32(16, true),
    parent: view.getInt32(20, true),
    index: view.getUint32(0, true),
    rate: view.getFloat32(4, true),
    action: view.getInt32(8, true),
    width: view.getUint16(12, true),
    height: view.getUint16(14, true),
    pixels: bytes.subarray(HEADER),
  };
}
