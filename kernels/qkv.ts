import code from "./qkv.wgsl" with { type: "text" };
import shuffleCode from "./qkv_shuffle.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { fusesHeads, type ProductTuning, qkvTuning } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { tileConstants, tileGrid } from "./grid.ts";
import type { Norm } from "./layer_norm.ts";
import { linear, type LinearWeights } from "./linear.ts";
import { chooseTile, packedForm, type TileForms } from "./product.ts";
import { expectHeads, qkNormRope, type RopeOptions, ropeParams } from "./qk_norm_rope.ts";

const FORMS: TileForms = {
  memory: joinKernel("qkv", code),
  shuffle: joinKernel("qkv_shuffle", shuffleCode),
  packed: packedForm("qkv", code),
};

/** How x is normalised first, and where queries, keys and values go. */
export interface QkvOptions extends RopeOptions {
  readonly norm: Norm;
  /** Tiling of the work (chosen by device and shape). */
  readonly tuning?: Partial<ProductTuning>;
}

/**
 * Queries, keys and values of a pass: `linear` with a norm before it and `qkNormRope` after it, in
 * one dispatch where a kernel may have enough buffers.
 * @param w of q, k and v joined: d -> 3 d
 * @param x [B, F, T, d] f32
 * @returns q [B, F, T, d]; k and v are cached
 * @throws {ShapeError}
 */
export function qkv(p: Program, w: LinearWeights, x: Tensor, options: QkvOptions): Tensor {
  const { norm, heads, norms, frames, rope, k: keys, v: values, tuning } = options;
  if (!fusesHeads(p.device) || keys.buffer.kind === "texture") {
    return p.scope(() => qkNormRope(p, linear(p, w, x, { norm, label: "qkv", tuning }), options));
  }
  const [batch, count, tokens, k] = x.shape as [number, number, number, number];
  const { outputs: n, bias, weight } = w;
  expectHeads(n, batch, options);
  const m = batch * count * tokens;
  const choice = {
    ...qkvTuning(p.device, { m, k, n, dtype: weight.dtype }),
    ...tuning,
    blocks: 2, // a head
  };
  const q = p.scratch([batch, count, tokens, heads * 64]);
  p.dispatch({
    kernel: chooseTile(FORMS, p.device, weight.dtype, choice),
    constants: {
      ...tileConstants(p.device, choice),
      F16: Number(weight.dtype === "f16"),
      HALF_CACHE: Number(keys.dtype === "f16"),
    },
    params: {
      m,
      k,
      n,
      biased: Number(bias !== undefined),
      tokens,
      table_stride: norm.table.shape[1]!,
      norm_shift: norm.shift,
      norm_scale: norm.scale,
      ...ropeParams(options, count),
    },
    buffers: {
      x,
      w: weight,
      bias: bias ?? x,
      table: norm.table,
      frames,
      norms,
      rope,
      q,
      k: keys,
      v: values,
    },
    groups: tileGrid(m, n, choice),
  });
  return q;
}
