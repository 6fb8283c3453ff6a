import code from "./linear_attention.wgsl" with { type: "text" };
import stateCode from "./linear_attention_state.wgsl" with { type: "text" };
import quadraticCode from "./quadratic_attention.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";
import { eachLane } from "./lanes.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const STATE = memoryForms("linear_attention_state", stateCode, ["qkv", "state"]);
const LINEAR = memoryForms("linear_attention", code, ["qkv", "state", "y"]);
const QUADRATIC = memoryForms("quadratic_attention", quadraticCode, ["qkv", "y"]);
/** Added to the sum of a token's weights. */
export const ATTENTION_EPS = 1e-15;

/**
 * ReLU attention of a frame's tokens, sum_m v_m s_nm / (sum_m s_nm + 1e-15) with s_nm = relu(q_n) .
 * relu(k_m): by D x D states for more than D tokens, otherwise pair by pair.
 * @param qkv [B, h, w, 3 C] f32; every 3 D consecutive channels are D query, D key, D value ones
 * @param dim D, a multiple of 4
 * @returns [B, h, w, C] f32
 * @throws {ShapeError}
 * Source: diffusers `SanaMultiscaleAttnProcessor2_0`.
 */
export function linearAttention(p: Program, qkv: Tensor, dim: number): Tensor {
  const [b, height, width, channels] = qkv.shape as [number, number, number, number];
  if (qkv.shape.length !== 4 || dim % 4 || channels % (3 * dim)) {
    throw new ShapeError(`Cannot attend over qkv [${qkv.shape}] by groups of 3 x ${dim}`);
  }
  const groups = channels / (3 * dim);
  const tokens = height * width;
  const y = p.like(qkv, [b, height, width, groups * dim]);
  const params = { tokens, groups, dim, eps: ATTENTION_EPS };
  const count = size(y.shape) / 4;
  if (tokens <= dim) {
    eachLane(p, QUADRATIC, count, { params: { ...params }, buffers: { qkv, y } });
    return y;
  }
  return p.scope(() => {
    const state = attentionState(p, qkv, dim);
    const quads = b * Math.ceil(tokens / 4) * groups * dim / 4; // four channels of four tokens each
    eachLane(p, LINEAR, quads, { params: { ...params }, buffers: { qkv, state, y } });
    return y;
  });
}

/** Sums over tokens of relu(k) [v; 1], [B, G, D / 4 + 1, D, 4]: columns by fours, then their rows. */
export function attentionState(p: Program, qkv: Tensor, dim: number): Tensor {
  const [b, height, width, channels] = qkv.shape as [number, number, number, number];
  const groups = channels / (3 * dim);
  const state = p.like(qkv, [b, groups, dim / 4 + 1, dim, 4]);
  const lanes = size(state.shape) / 16; // four rows of four columns each
  dispatchForm(p, STATE, {
    params: { count: lanes, tokens: height * width, groups, dim },
    buffers: { qkv, state },
    groups: grid(lanes, 32),
  });
  return state;
}
