import readCode from "./read_image.wgsl" with { type: "text" };
import writeCode from "./write_image.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { expectShape, type Memory, type MemoryKind, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const READ_IMAGE = memoryForms("read_image", readCode, ["y"]);
const WRITE_IMAGE = joinKernel("write_image", writeCode);

/**
 * Images in the CPU's layout: [B, 3, H, W] f32 from 0 to 1, or (u32) RGB bytes [B, H, W, 3], four
 * to a word, one image after the other without padding.
 */
export interface Image {
  readonly pixels: Tensor;
  /** Images, height, width. */
  readonly shape: readonly [number, number, number];
}

/** Declares a buffer of images, in f32 or in bytes. */
export function imageBuffer(
  memory: Memory,
  label: string,
  shape: readonly [b: number, height: number, width: number],
  format: "floats" | "bytes",
): Image {
  const [b, height, width] = shape;
  const pixels = format === "floats"
    ? memory.tensor(label, [b, 3, height, width])
    : memory.tensor(label, [Math.ceil(3 * size(shape) / 4)], "u32");
  return { pixels, shape };
}

/** Images in the encoder's layout and memory: [B, H, W, 4] f32 from -1 to 1, the fourth zero. */
export function readImage(
  p: Program,
  { pixels, shape }: Image,
  kind: MemoryKind = "storage",
): Tensor {
  const [b, height, width] = shape;
  const y = p.scratch([b, height, width, 4], "f32", kind);
  const count = size(shape);
  eachLane(p, READ_IMAGE, count, {
    constants: { BYTES: Number(pixels.dtype === "u32") },
    params: { pixels: height * width },
    buffers: { image: pixels, y },
  });
  return y;
}

/**
 * The decoder's result [B, H, W, 4] as images, clamped; bytes are rounded to nearest.
 * @throws {ShapeError}
 */
export function writeImage(p: Program, x: Tensor, { pixels, shape }: Image): void {
  expectShape("write_image", x, [...shape, 4]);
  const [, height, width] = shape;
  const values = 3 * size(shape);
  const bytes = pixels.dtype === "u32";
  const count = bytes ? Math.ceil(values / 4) : values;
  if (size(pixels.shape) < count) {
    throw new ShapeError(`Cannot write images [${shape}] into [${pixels.shape}]`);
  }
  eachLane(p, WRITE_IMAGE, count, {
    constants: { BYTES: Number(bytes) },
    params: { values, pixels: height * width },
    buffers: { x, image: pixels },
  });
}
