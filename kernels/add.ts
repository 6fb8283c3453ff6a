import code from "./add.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const ADD = memoryForms("add", code, ["a", "b", "y"]);

/** y = a + b, all of one shape of a multiple of 4 floats. @throws {ShapeError} */
export function add(p: Program, a: Tensor, b: Tensor, y: Tensor): void {
  expectShape("add b", b, a.shape);
  expectShape("add y", y, a.shape);
  const count = size(a.shape) / 4;
  eachLane(p, ADD, count, { buffers: { a, b, y } });
}
