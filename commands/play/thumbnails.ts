import { encodePng, StuckMediaError } from "../../app.ts";
import { type RgbFrame, toRgb } from "../../mod.ts";
import type { Size } from "../../cli/option.ts";
import type { StartClip } from "../../player/protocol.ts";
import type { StartClips } from "./clips.ts";

/** Most clips with thumbnails; a folder may have any number. */
const MOST_PICTURES = 24;

/** A picture as a data URL. */
export function pictureUrl(picture: RgbFrame): string {
  return `data:image/png;base64,${encodePng(picture).toBase64()}`;
}

/** The starts with their first visible frames; an unreadable one has none. */
export async function withPictures(clips: StartClips, size: Size): Promise<StartClip[]> {
  const offered: StartClip[] = [];
  for (const [i, name] of clips.names.entries()) {
    const picture = i < MOST_PICTURES ? await lastPicture(clips, name, size) : undefined;
    offered.push(picture ? { name, picture: pictureUrl(picture) } : { name });
  }
  return offered;
}

async function lastPicture(
  clips: StartClips,
  name: string,
  size: Size,
): Promise<RgbFrame | undefined> {
  const source = await clips.read(name).catch((error) => {
    if (error instanceof StuckMediaError) throw error; // its thread would run on
  }); // choosing it gives any other error
  if (!source) return undefined;
  const floats = 3 * size.width * size.height;
  const from = (source.frames - 1) * floats;
  return toRgb({ ...size, data: source.data.subarray(from, from + floats) });
}
