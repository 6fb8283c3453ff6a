import { join } from "node:path";
import { encodePng, writeOutput } from "../../app.ts";
import { toRgb } from "../../mod.ts";
import { pictureAt, type Pictures } from "./measure.ts";

/**
 * Writes a video as a folder of numbered pictures, `DIR/kind/clip/00000.png`, for tools that
 * compute FVD: all frames, including the given ones, as the released code measures.
 * @throws {MediaError} a folder or file cannot be written
 */
export async function exportVideo(
  folder: string,
  kind: string,
  clip: string,
  { width, height, frames, ...pictures }: Pictures,
): Promise<void> {
  const target = join(folder, kind, clip);
  await Deno.mkdir(target, { recursive: true });
  for (let frame = 0; frame < frames; frame++) {
    const data = pictureAt({ width, height, frames, ...pictures }, frame);
    const picture = toRgb({ width, height, data });
    await writeOutput(join(target, `${String(frame).padStart(5, "0")}.png`), encodePng(picture));
  }
}
