import { ByteQueue } from "./byte_queue.ts";
import { type Matrix, type Plane, type YuvPicture, yuvToRgb } from "./color.ts";
import { checkSize } from "./budget.ts";
import { MediaError } from "./errors.ts";
import type { FrameStream, LazyFrame } from "./frame_stream.ts";

/** How planes of luma and chroma follow each other without gaps; chroma sides are rounded up. */
export interface PlaneLayout {
  readonly width: number;
  readonly height: number;
  /** Bits per sample. */
  readonly bits: number;
  /** log2 of the pixels that share a chroma sample, across and down; absent in grey video. */
  readonly chroma?: readonly [across: number, down: number];
  /** Whether a fourth plane follows, of transparency. */
  readonly alpha: boolean;
}

/** The stream header of a .y4m. */
export interface Y4mHeader extends PlaneLayout {
  /** Frames per second; unknown if the file has 0:0. */
  readonly fps?: number;
  readonly fullRange: boolean;
}

const CHROMA: Readonly<Record<string, readonly [number, number] | undefined>> = {
  "420": [1, 1],
  "411": [2, 0],
  "422": [1, 0],
  "444": [0, 0],
  mono: undefined,
};

/**
 * Reads the first line of a .y4m.
 *
 * @throws {MediaError} without the file's name, if it is not a .y4m, too large, or its format is
 *   unknown Source: yuv4mpeg(5) of mjpegtools; names of high bit depths and XCOLORRANGE as FFmpeg
 *   writes them
 */
export function parseY4mHeader(line: string): Y4mHeader {
  const [magic, ...fields] = line.split(" ");
  if (magic !== "YUV4MPEG2") throw new MediaError("it is not a .y4m stream");
  const value = (letter: string) => fields.find((field) => field[0] === letter)?.slice(1);
  const width = Number(value("W"));
  const height = Number(value("H"));
  if (!isSize(width) || !isSize(height)) throw new MediaError("its .y4m header gives no size");
  const rate = /^(\d+):(\d+)$/.exec(value("F") ?? "");
  const fps = rate ? Number(rate[1]) / Number(rate[2]) : 0;
  const layout = value("C") ?? "420jpeg";
  const known = /^(420|411|422|444|mono)(alpha|jpeg|mpeg2|paldv)?(?:p?(9|10|12|14|16))?$/.exec(
    layout,
  );
  if (!known) throw new MediaError(`its .y4m colour layout "${layout}" is unknown`);
  const parsed = {
    width,
    height,
    fps: Number.isFinite(fps) && fps > 0 ? fps : undefined,
    bits: Number(known[3] ?? 8),
    chroma: CHROMA[known[1]!],
    alpha: known[2] === "alpha",
    fullRange: fields.includes("XCOLORRANGE=FULL"),
  };
  checkSize(width, height, planesOf(parsed).bytesPerFrame);
  return parsed;
}

/**
 * Opens a .y4m, from a file or a pipe.
 *
 * @param chunks its bytes
 * @param matrix colour matrix, which the format cannot name; readers assume BT.601
 * @throws {MediaError} without the file's name, if it is not a .y4m or its format is unknown
 */
export async function openY4m(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  matrix: Matrix = "bt601",
): Promise<FrameStream> {
  const bytes = new ByteQueue(chunks);
  let header: Y4mHeader;
  try {
    header = parseY4mHeader(await bytes.readLine() ?? "");
  } catch (error) {
    await bytes.close();
    throw error;
  }
  const warnings: string[] = [];
  const frames = readFrames(bytes, header, matrix, (text) => warnings.push(`"${path}" ${text}`));
  const lossy = true; // 8-bit Y, U and V in limited range have fewer colours than RGB.
  const announced = { width: header.width, height: header.height, isFloat: false };
  return { frames, announced, fps: header.fps, lossy, warnings };
}

async function* readFrames(
  bytes: ByteQueue,
  header: Y4mHeader,
  matrix: Matrix,
  warn: (text: string) => void,
): AsyncGenerator<LazyFrame> {
  const { bytesPerFrame } = planesOf(header);
  const colour = { matrix, fullRange: header.fullRange };
  try {
    for (let index = 0;; index++) {
      const line = await bytes.readLine();
      if (line === undefined && bytes.length === 0) return;
      if (line !== undefined && !/^FRAME( |$)/.test(line)) {
        throw new MediaError(`its frame ${index} does not begin with FRAME`);
      }
      const data = line === undefined ? undefined : await bytes.read(bytesPerFrame);
      if (!data) return warn("is cut off: only its beginning can be read");
      yield { index, pixels: () => yuvToRgb(pictureOf(header, data), colour) };
    }
  } finally {
    await bytes.close();
  }
}

/** Sizes of the planes of one frame, in samples and bytes. */
export function planesOf({ width, height, bits, chroma, alpha }: PlaneLayout) {
  const luma = width * height;
  const chromaWidth = chroma ? (width + (1 << chroma[0]) - 1) >> chroma[0] : 0;
  const chromaSize = chroma ? chromaWidth * ((height + (1 << chroma[1]) - 1) >> chroma[1]) : 0;
  const samples = luma + 2 * chromaSize + (alpha ? luma : 0);
  return { luma, chromaWidth, chromaSize, bytesPerFrame: samples * (bits > 8 ? 2 : 1) };
}

/** Gives the planes of one frame names. More than 8 bits are two bytes, the lower first. */
export function pictureOf(layout: PlaneLayout, bytes: Uint8Array): YuvPicture {
  const { width, height, bits, chroma } = layout;
  const { luma, chromaWidth, chromaSize } = planesOf(layout);
  const data = bits > 8 ? new Uint16Array(bytes.slice().buffer) : bytes;
  const plane = (offset: number, stride: number): Plane => ({ data, offset, stride, step: 1 });
  return {
    width,
    height,
    bits,
    chromaShiftX: chroma?.[0] ?? 0,
    chromaShiftY: chroma?.[1] ?? 0,
    y: plane(0, width),
    u: chroma && plane(luma, chromaWidth),
    v: chroma && plane(luma + chromaSize, chromaWidth),
  };
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65536;
}
