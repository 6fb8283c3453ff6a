import copyCode from "./peak_copy.wgsl" with { type: "text" };
import fmaCode from "./peak_fma.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";

const FMA = defineKernel("peak_fma", fmaCode);
const COPY = defineKernel("peak_copy", copyCode);
const WG = 64;

/** Floating-point operations per element of y and loop: eight chains, four steps, two each. */
export const FMA_FLOPS = 64;

/** Factor and summand of every multiply-add; they keep values near 1. */
export interface FmaOptions {
  readonly loops: number;
  readonly a: number;
  readonly b: number;
}

/**
 * Eight chains of 4 `loops` multiply-adds from y + 0, 1, ..., 7; y becomes the sum of their ends.
 * @param y [count, 4] f32, updated in place
 * @throws {ShapeError}
 */
export function peakFma(p: Program, y: Tensor, { loops, a, b }: FmaOptions): void {
  const count = checkedCount("peak_fma", y);
  p.dispatch({
    kernel: FMA,
    constants: { WG },
    params: { count, loops, a, b },
    buffers: { y },
    groups: [Math.ceil(count / WG), 1, 1],
  });
}

/**
 * y = x.
 * @param x [count, 4] f32
 * @throws {ShapeError}
 */
export function peakCopy(p: Program, x: Tensor, y: Tensor): void {
  const count = checkedCount("peak_copy", x);
  expectShape("peak_copy", y, x.shape);
  p.dispatch({
    kernel: COPY,
    constants: { WG },
    params: { count },
    buffers: { x, y },
    groups: grid(count, WG),
  });
}

function checkedCount(kernel: string, tensor: Tensor): number {
  const [count, four] = tensor.shape;
  if (four === 4 && size(tensor.shape) === 4 * count!) return count!;
  throw new ShapeError(`Cannot run ${kernel} on [${tensor.shape}]: needs [count, 4]`);
}
