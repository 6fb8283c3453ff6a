import { bytesAt } from "../files/byte_source.ts";
import { FileSource } from "../files/file_source.ts";
import { MOST_ARRAY_BYTES, TooMuchError } from "./budget.ts";
import { asMedia, MediaError } from "./errors.ts";
import type { ImageType } from "./image_reader.ts";

/** Type of a file by its first bytes; `video` if it is none of the others. */
export type FileType = "npz" | "npy" | "y4m" | "gif" | "png" | "jpeg" | "webp" | "video";

/**
 * Recognises a file by its first bytes.
 *
 * @throws {MediaError} when it is missing, empty or not a file
 */
export async function fileType(path: string): Promise<FileType> {
  return await asMedia(path, async () => {
    using file = await FileSource.open(path);
    if (file.size === 0) throw new MediaError(`Cannot read "${path}": it is empty`);
    return sniff(await bytesAt(file, 0, Math.min(16, file.size)));
  });
}

/**
 * All bytes of a file, of at most 2 GiB.
 *
 * @throws {MediaError} when it is too large, missing, not readable or not a file
 */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return await asMedia(path, async () => {
    using file = await FileSource.open(path);
    if (file.size <= MOST_ARRAY_BYTES) return await bytesAt(file, 0, file.size);
    throw new TooMuchError(`Cannot read "${path}": its ${file.size} bytes are too many`);
  });
}

/**
 * The bytes and type of a picture.
 *
 * @throws {MediaError} when it is not one, or the file cannot be read
 */
export async function readPicture(
  path: string,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; type: ImageType }> {
  const bytes = await readBytes(path);
  const type = sniff(bytes);
  if (type === "png" || type === "jpeg" || type === "webp") return { bytes, type };
  throw new MediaError("it is not a PNG, JPEG or WebP");
}

/** Tells the type from the first 16 bytes. */
function sniff(bytes: Uint8Array): FileType {
  const text = String.fromCharCode(...bytes.subarray(0, 16));
  if (text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06")) return "npz";
  if (text.startsWith("\x93NUMPY")) return "npy";
  if (text.startsWith("YUV4MPEG2")) return "y4m";
  if (/^GIF8[79]a/.test(text)) return "gif";
  if (text.startsWith("\x89PNG\r\n")) return "png";
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (/^RIFF....WEBP/s.test(text)) return "webp";
  return "video";
}
