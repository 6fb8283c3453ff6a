import code from "./linear_attention_backward.wgsl" with { type: "text" };
import stateCode from "./linear_attention_gradient_state.wgsl" with { type: "text" };
import quotientCode from "./linear_attention_quotient.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";
import { ATTENTION_EPS, attentionState } from "./linear_attention.ts";
import { eachLane } from "./lanes.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const QUOTIENT = memoryForms("linear_attention_quotient", quotientCode, [
  "qkv",
  "state",
  "y",
  "dy",
  "da",
]);
const GRADIENT_STATE = memoryForms("linear_attention_gradient_state", stateCode, [
  "qkv",
  "da",
  "dstate",
]);
const BACKWARD = memoryForms("linear_attention_backward", code, [
  "qkv",
  "state",
  "dstate",
  "da",
  "dqkv",
]);

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
    const dstate = p.like(qkv, state.shape);
    const [da, db] = [p.like(y, y.shape), p.scratch([rows])];
    eachLane(p, QUOTIENT, rows, {
      params: { ...params, eps: ATTENTION_EPS },
      buffers: { qkv, state, y, dy, da, db },
    });
    const lanes = size(state.shape) / 16;
    dispatchForm(p, GRADIENT_STATE, {
      params: { ...params, count: lanes },
      buffers: { qkv, da, db, dstate },
      groups: grid(lanes, 32),
    });
    eachLane(p, BACKWARD, rows * dim / 4, {
      params: { ...params },
      buffers: { qkv, state, dstate, da, db, dqkv },
    });
  });
}
