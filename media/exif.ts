import { viewOf } from "../files/bytes.ts";
import { mirror, type RgbFrame, rotate } from "./frames.ts";

/** Degrees to turn clockwise, after mirroring if that is asked, by EXIF orientation. */
const ORIENTATIONS: Readonly<Record<number, readonly [degrees: number, mirrored: boolean]>> = {
  2: [0, true],
  3: [180, false],
  4: [180, true],
  5: [270, true],
  6: [90, false],
  7: [90, true],
  8: [270, false],
};

/** Turns a picture upright by its EXIF orientation. */
export function turn(frame: RgbFrame, orientation: number): RgbFrame {
  const [degrees, mirrored] = ORIENTATIONS[orientation] ?? [0, false];
  return rotate(mirrored ? mirror(frame) : frame, degrees);
}

/** The size that `turn` gives a picture. */
export function turnSize(
  { width, height }: { readonly width: number; readonly height: number },
  orientation: number,
): { width: number; height: number } {
  const [degrees] = ORIENTATIONS[orientation] ?? [0];
  return degrees % 180 === 0 ? { width, height } : { width: height, height: width };
}

/**
 * The orientation in the EXIF data of a JPEG: 1 (unchanged) to 8; 1 if there is none. Source: CIPA
 * DC-008 (Exif 2.3), tag 0x0112
 */
export function exifOrientation(jpeg: Uint8Array): number {
  const view = viewOf(jpeg);
  for (let at = 2; at + 18 <= jpeg.length && jpeg[at] === 0xff && jpeg[at + 1] !== 0xda;) {
    const size = view.getUint16(at + 2);
    const end = Math.min(at + 2 + size, jpeg.length);
    const isExif = jpeg[at + 1] === 0xe1 && view.getUint32(at + 4) === 0x45786966; // "Exif"
    if (isExif && end >= at + 10) {
      return orientationOf(jpeg.subarray(at + 10, end));
    }
    at += 2 + size;
  }
  return 1;
}

/** The orientation in the first directory of TIFF data; 1 if there is none. */
export function orientationOf(bytes: Uint8Array): number {
  const tiff = viewOf(bytes);
  if (tiff.byteLength < 8) return 1;
  const little = tiff.getUint16(0) === 0x4949;
  const directory = tiff.getUint32(4, little);
  if (directory + 2 > tiff.byteLength) return 1;
  const count = tiff.getUint16(directory, little);
  for (
    let entry = directory + 2;
    entry + 12 <= tiff.byteLength && entry < directory + 2 + 12 * count;
    entry += 12
  ) {
    if (tiff.getUint16(entry, little) === 0x0112) return tiff.getUint16(entry + 8, little);
  }
  return 1;
}
