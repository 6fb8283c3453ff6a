import { fileType, readBytes } from "./file_type.ts";
import { MediaError } from "./errors.ts";
import { imagesOfPattern } from "./folder_reader.ts";
import { readGifComments } from "./gif_reader.ts";
import { readPngText } from "./image_reader.ts";
import { NpzFile } from "./npz.ts";
import { isNumbered } from "./numbered_names.ts";
import { fromComments } from "./text_tags.ts";

/**
 * Reads the text metadata of an output: tags of a video, text chunks of a .png, comments of a .gif,
 * `metadata.json` of an .npz. Empty for formats without metadata (a .y4m header has room for 80
 * characters). For numbered files, that of the first.
 *
 * @throws {MediaError} when the file cannot be read
 */
export async function readMetadata(source: string): Promise<Record<string, string>> {
  const path = await isNumbered(source) ? (await imagesOfPattern(source))[0]! : source;
  const type = await fileType(path);
  try {
    switch (type) {
      case "video":
        return await (await import("./video_reader.ts")).readVideoTags(path);
      case "png":
        return readPngText(await readBytes(path));
      case "gif":
        return fromComments(readGifComments(await readBytes(path)));
      case "npz": {
        using file = await NpzFile.open(path);
        return await file.readMetadata();
      }
      default:
        return {};
    }
  } catch (error) {
    if (!(error instanceof MediaError) || error.message.startsWith("Cannot ")) throw error;
    throw new MediaError(`Cannot read "${path}": ${error.message}`);
  }
}
