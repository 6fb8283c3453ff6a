import code from "./linear_attention_backward.wgsl" with { type: "text" };
import stateCode from "./linear_attention_gradient_state.wgsl" with { type: "text" };
import quotientCode from "./linear_attention_quotient.wgsl" with { type: "text" };
import { defineKernel } from "../gpu/kernel.ts";
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";
import { ATTENTION_EPS, attentionState } from "./linear_attention.ts";

const QUOTIENT = defineKernel("linear_attention_quotient", quotientCode);
const GRADIENT_STATE = defineKernel("linear_attention_gradient_state", stateCode);
const BACKWARD = defineKernel("linear_attention_backward", code);

/**
 * Gradient of `linearAttention`, the same for both forms.
 * @param y its result [B, h, w, C], and dy the gradient of y
 * @param dqkv of qkv's shape [B, h, w, 3 C], overwritten
 * @throws {ShapeError}
 */
export function linearAttentionBackward(
  p: Program,
  { qkv, y, dy, dqkv }: Readonly<Record<"qkv" | "y" | "dy" | "dqkv", Tensor>>,
  dim: number,
): void {
  expectShape("linear_attention_backward dy", dy, y.shape);
  expectShape("linear_attention_backward dqkv", dqkv, qkv.shape);
  const [b, height, width, channels] = y.shape as [number, number, number, number];
  const [tokens, groups] = [height * width, channels / dim];
  const rows = b * tokens * groups;
  const params = { tokens, groups, dim };
  p.scope(() => {
    const state = attentionState(p, qkv, dim);
    const dstate = p.scratch(state.shape);
    const [da, db] = [p.scratch(y.shape), p.scratch([rows])];
    p.dispatch({
      kernel: QUOTIENT,
      params: { ...params, count: rows, eps: ATTENTION_EPS },
      buffers: { qkv, state, y, dy, da, db },
      groups: grid(rows, 64),
    });
    const lanes = size(state.shape) / 16;
    p.dispatch({
      kernel: GRADIENT_STATE,
      params: { ...params, count: lanes },
      buffers: { qkv, da, db, dstate },
      groups: grid(lanes, 32),
    });
    p.dispatch({
      kernel: BACKWARD,
      params: { ...params, count: rows * dim / 4 },
      buffers: { qkv, state, dstate, da, db, dqkv },
      groups: grid(rows * dim / 4, 64),
    });
  });
}
