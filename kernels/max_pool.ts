import code from "./max_pool.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { clear } from "./clear.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const MAX_POOL = memoryForms("max_pool", code, ["x", "dy", "to"]);

/**
 * The largest of each 2 x 2 pixels, by channel; a last odd row or column is dropped.
 * @param x [B, H, W, C] f32, C a multiple of 4
 * @returns [B, floor(H / 2), floor(W / 2), C]
 * @throws {ShapeError}
 * Source: torch.nn.MaxPool2d(2).
 */
export function maxPool(p: Program, x: Tensor): Tensor {
  const y = p.like(x, pooledShape(x));
  run(p, 0, { x, dy: x, to: y }, y);
  return y;
}

/** dx of `maxPool`: where several pixels are largest, the first has all of dy. @throws {ShapeError} */
export function maxPoolBackward(p: Program, x: Tensor, dy: Tensor): Tensor {
  expectShape("max_pool dy", dy, pooledShape(x));
  const dx = p.like(x, x.shape);
  clear(p, dx, 0, size(dx.shape));
  run(p, 1, { x, dy, to: dx }, dy);
  return dx;
}

function pooledShape({ shape }: Tensor): number[] {
  const [b, height, width, channels] = shape as [number, number, number, number];
  const [h, w] = [Math.floor(height / 2), Math.floor(width / 2)];
  if (channels % 4 || h === 0 || w === 0) throw new ShapeError(`Cannot pool [${shape}]`);
  return [b, h, w, channels];
}

function run(
  p: Program,
  BACKWARD: 0 | 1,
  buffers: Readonly<Record<"x" | "dy" | "to", Tensor>>,
  pooled: Tensor,
): void {
  const [, height, width, channels] = buffers.x.shape as [number, number, number, number];
  eachLane(p, MAX_POOL, size(pooled.shape) / 4, {
    label: BACKWARD ? "max_pool backward" : "max_pool",
    constants: { BACKWARD },
    params: { height, width, quads: channels / 4 },
    buffers,
  });
}
