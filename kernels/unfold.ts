import foldCode from "./fold.wgsl" with { type: "text" };
import code from "./unfold.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const UNFOLD = memoryForms("unfold", code, ["x", "y"]);
const FOLD = memoryForms("fold", foldCode, ["dy", "dx"]);

/** Taps of a 4 x 4 convolution. */
export const UNFOLD_TAPS = 16;

/**
 * The pixels that each output of a 4 x 4 convolution reads, padded by one pixel of zeros: a product
 * of them, as of a 1 x 1 convolution, is that convolution.
 * @param x [B, H, W, C] f32, C a multiple of 4, H and W at least 2
 * @param stride pixels from output to output
 * @returns [B, h, w, 16 C], where h = floor((H - 2) / stride) + 1: tap after tap
 * @throws {ShapeError}
 * Source: torch.nn.functional.unfold(x, 4, padding=1, stride=stride), channels last.
 */
export function unfold(p: Program, x: Tensor, stride: number): Tensor {
  const y = p.like(x, unfoldedShape(x.shape, stride));
  eachLane(p, UNFOLD, size(y.shape) / UNFOLD_TAPS / 4, {
    params: places(x.shape, y.shape, stride),
    buffers: { x, y },
  });
  return y;
}

/**
 * dx of `unfold`.
 * @param shape of x
 * @throws {ShapeError}
 */
export function fold(p: Program, dy: Tensor, shape: readonly number[], stride: number): Tensor {
  expectShape("fold dy", dy, unfoldedShape(shape, stride));
  const dx = p.like(dy, shape);
  eachLane(p, FOLD, size(shape) / 4, {
    params: places(shape, dy.shape, stride),
    buffers: { dy, dx },
  });
  return dx;
}

/** @throws {ShapeError} */
function unfoldedShape(shape: readonly number[], stride: number): number[] {
  const [b, height, width, channels] = shape as [number, number, number, number];
  if (channels % 4 || height < 2 || width < 2) throw new ShapeError(`Cannot unfold [${shape}]`);
  const count = (pixels: number) => Math.floor((pixels - 2) / stride) + 1;
  return [b, count(height), count(width), UNFOLD_TAPS * channels];
}

function places(x: readonly number[], y: readonly number[], stride: number) {
  const [, height, width, channels] = x as [number, number, number, number];
  const [, rows, columns] = y as [number, number, number];
  return { height, width, rows, columns, stride, quads: channels / 4 };
}
