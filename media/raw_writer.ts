import type { ByteSink } from "./byte_sink.ts";
import { rgbToI444 } from "./color.ts";
import type { FrameFormat } from "./frame_writer.ts";
import type { RgbFrame } from "./frames.ts";

/** Sizes and speed of a raw stream. */
export interface RawOptions {
  readonly width: number;
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
}

/** Writes frames one after the other, converted by a function, after a header. */
function stream(
  sink: ByteSink,
  header: Uint8Array,
  encode: (frame: RgbFrame) => Uint8Array[],
): FrameFormat {
  let frames = 0;
  return {
    async write(frame) {
      if (frames++ === 0) await sink.write(header);
      for (const bytes of encode(frame)) await sink.write(bytes);
    },
  };
}

/** Writes raw pixels, R G B each, rows from the top: exact, but the reader must know the size. */
export function openRgb24Writer(sink: ByteSink): FrameFormat {
  return stream(sink, new Uint8Array(0), (frame) => [frame.data]);
}

/**
 * Writes .y4m in 4:4:4, so that every pixel keeps its colour. The format cannot name a colour
 * matrix and readers assume BT.601 in limited range, so this writes that.
 */
export function openY4mWriter(sink: ByteSink, { width, height, fps }: RawOptions): FrameFormat {
  const [over, under] = fractionOf(fps);
  const text =
    `YUV4MPEG2 W${width} H${height} F${over}:${under} Ip A1:1 C444 XCOLORRANGE=LIMITED\n`;
  const frameMark = new TextEncoder().encode("FRAME\n");
  return stream(
    sink,
    new TextEncoder().encode(text),
    (frame) => [frameMark, rgbToI444(frame, { matrix: "bt601", fullRange: false })],
  );
}

/**
 * A frame rate as a fraction of whole numbers: the simplest that is accurate to 1 in 10^7, such as
 * 8/1, 15/2 or 30000/1001.
 */
export function fractionOf(fps: number): [over: number, under: number] {
  for (const under of [1, 2, 3, 1001]) {
    const over = Math.round(fps * under);
    if (over > 0 && Math.abs(over / under - fps) <= fps * 1e-7) return [over, under];
  }
  const under = fps < 1000 ? 1_000_000 : 1000;
  return [Math.max(1, Math.round(fps * under)), under];
}
