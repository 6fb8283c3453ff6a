import type { LinearWeights } from "../../kernels/linear.ts";
import { packedShape, packWeight } from "../../kernels/pack_weight.ts";
import type { Dtype, MemoryKind, Tensor } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { tensorKind } from "../../gpu/tuning.ts";

type Upload = (shape: number[], data: Float32Array | Uint32Array) => Tensor;

/** Packs on the GPU, in the same program as the layer itself. */
export function packed(
  p: Program,
  input: Upload,
  w: Float32Array,
  [n, k]: [number, number],
  bias?: Float32Array,
  dtype: Dtype = "f32",
  kind: MemoryKind = tensorKind(p.device),
): LinearWeights {
  const n8 = Math.ceil(n / 8) * 8;
  const weight = p.memory.tensor("weight", packedShape(k, n), dtype, kind);
  packWeight(p, input([n, k], w).buffer, weight, { dtype: "F32", shape: [n, k] });
  const padded = new Float32Array(n8);
  padded.set(bias ?? []);
  return { weight, bias: bias && input([n8], padded), inputs: k, outputs: n };
}

/** Drops the padding columns of a result. */
export function unpad(y: Float32Array, rows: number, n: number): Float32Array {
  const n4 = Math.ceil(n / 4) * 4;
  const out = new Float32Array(rows * n);
  for (let i = 0; i < rows; i++) out.set(y.subarray(i * n4, i * n4 + n), i * n);
  return out;
}
