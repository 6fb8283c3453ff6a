import code from "./copy.wgsl" with { type: "text" };
import { type MemoryKind, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import type { Place } from "./column_sums.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const COPY = memoryForms("copy", code, ["x", "y"]);

/** Copies `count` floats between buffers and images, or into a buffer as f16; all are multiples of 4. */
export function copy(
  p: Program,
  { tensor: x, first }: Place,
  count: number,
  { tensor: y, first: to }: Place,
): void {
  eachLane(p, COPY, count / 4, { params: { first: first / 4, to: to / 4 }, buffers: { x, y } });
}

/** A tensor in this kind of memory: itself, or a copy in scratch. */
export function inKind(p: Program, tensor: Tensor, kind: MemoryKind): Tensor {
  if (tensor.buffer.kind === kind) return tensor;
  const to = p.scratch(tensor.shape, "f32", kind);
  copy(p, { tensor, first: 0 }, size(tensor.shape), { tensor: to, first: 0 });
  return to;
}
