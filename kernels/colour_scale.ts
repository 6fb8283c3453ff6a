import code from "./colour_scale.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms, updating } from "./memory_forms.ts";

const COLOUR_SCALE = memoryForms("colour_scale", code, ["x", "y"]);

/**
 * Pictures as LPIPS takes them: colours less their mean among photographs, by their deviation.
 * @param x [B, H, W, 4] f32 from -1 to 1
 * Source: lpips 0.1.4, `ScalingLayer`.
 */
export function colourScale(p: Program, x: Tensor): Tensor {
  const y = p.like(x, x.shape);
  run(p, 0, x, y);
  return y;
}

/** Adds the gradient of `colourScale`'s input to dx. @throws {ShapeError} */
export function colourScaleBackward(p: Program, dy: Tensor, dx: Tensor): void {
  expectShape("colour_scale dx", dx, dy.shape);
  run(p, 1, dy, dx);
}

function run(p: Program, BACKWARD: 0 | 1, x: Tensor, y: Tensor): void {
  const label = BACKWARD ? "colour_scale backward" : "colour_scale";
  eachLane(p, COLOUR_SCALE, size(x.shape) / 4, {
    label,
    constants: { BACKWARD },
    buffers: { x, ...updating("y", x, y) },
  });
}
