import attention from "./fragments/attention.wgsl" with { type: "text" };
import attentionLanes from "./fragments/attention_lanes.wgsl" with { type: "text" };
import attentionMemory from "./fragments/attention_memory.wgsl" with { type: "text" };
import attentionShuffle from "./fragments/attention_shuffle.wgsl" with { type: "text" };
import attentionSums from "./fragments/attention_sums.wgsl" with { type: "text" };
import broadcast from "./fragments/broadcast.wgsl" with { type: "text" };
import causalAttention from "./fragments/causal_attention.wgsl" with { type: "text" };
import conv2d from "./fragments/conv2d.wgsl" with { type: "text" };
import conv2dGradient from "./fragments/conv2d_gradient.wgsl" with { type: "text" };
import conv2dTile from "./fragments/conv2d_tile.wgsl" with { type: "text" };
import depthwiseHalves from "./fragments/depthwise_halves.wgsl" with { type: "text" };
import frame from "./fragments/frame.wgsl" with { type: "text" };
import lane from "./fragments/lane.wgsl" with { type: "text" };
import linear from "./fragments/linear.wgsl" with { type: "text" };
import linearTile from "./fragments/linear_tile.wgsl" with { type: "text" };
import matmul from "./fragments/matmul.wgsl" with { type: "text" };
import neighbour from "./fragments/neighbour.wgsl" with { type: "text" };
import noBroadcast from "./fragments/no_broadcast.wgsl" with { type: "text" };
import packWeight from "./fragments/pack_weight.wgsl" with { type: "text" };
import product from "./fragments/product.wgsl" with { type: "text" };
import qkNormRope from "./fragments/qk_norm_rope.wgsl" with { type: "text" };
import qkRotation from "./fragments/qk_rotation.wgsl" with { type: "text" };
import qkWeights from "./fragments/qk_weights.wgsl" with { type: "text" };
import qkv from "./fragments/qkv.wgsl" with { type: "text" };
import quotient from "./fragments/quotient.wgsl" with { type: "text" };
import rope from "./fragments/rope.wgsl" with { type: "text" };
import rowLanes from "./fragments/row_lanes.wgsl" with { type: "text" };
import ssim from "./fragments/ssim.wgsl" with { type: "text" };
import step from "./fragments/step.wgsl" with { type: "text" };
import texel from "./fragments/texel.wgsl" with { type: "text" };
import tile from "./fragments/tile.wgsl" with { type: "text" };
import tileMemory from "./fragments/tile_memory.wgsl" with { type: "text" };
import tileOutput from "./fragments/tile_output.wgsl" with { type: "text" };
import tileShuffle from "./fragments/tile_shuffle.wgsl" with { type: "text" };
import weights from "./fragments/weights.wgsl" with { type: "text" };
import { defineKernel, type Kernel, readStruct } from "../gpu/kernel.ts";

/** WGSL that several kernels share. None of it compiles alone. */
const FRAGMENTS: Readonly<Record<string, string>> = {
  attention,
  attention_lanes: attentionLanes,
  attention_memory: attentionMemory,
  attention_shuffle: attentionShuffle,
  attention_sums: attentionSums,
  broadcast,
  causal_attention: causalAttention,
  conv2d,
  conv2d_gradient: conv2dGradient,
  conv2d_tile: conv2dTile,
  depthwise_halves: depthwiseHalves,
  frame,
  lane,
  linear,
  linear_tile: linearTile,
  matmul,
  neighbour,
  no_broadcast: noBroadcast,
  pack_weight: packWeight,
  product,
  qk_norm_rope: qkNormRope,
  qk_rotation: qkRotation,
  qk_weights: qkWeights,
  qkv,
  quotient,
  rope,
  row_lanes: rowLanes,
  ssim,
  step,
  texel,
  tile,
  tile_memory: tileMemory,
  tile_output: tileOutput,
  tile_shuffle: tileShuffle,
  weights,
};

/** A frame of a pass, as kernels read it from a pass's `frames`. */
export const FRAME = readStruct("frame", frame, "Frame");
/** The parameters of a model call. */
export const STEP = readStruct("step", step, "Step");

const FIRST_LINE = /^\/\/ Joined after fragments: (\w+(?:, \w+)*)\.\n/;

/**
 * Defines a kernel. If its first line reads "Joined after fragments: a, b.", `fragments/a.wgsl` and
 * `fragments/b.wgsl` are put before it; otherwise it compiles as it stands.
 * @param name of its file, without `.wgsl`
 * @throws {TypeError} the line names a fragment that does not exist
 */
export function joinKernel(name: string, code: string): Kernel {
  const names = FIRST_LINE.exec(code)?.[1]?.split(", ") ?? [];
  const fragments = names.map((fragment) => {
    const text = FRAGMENTS[fragment];
    if (text === undefined) {
      throw new TypeError(`Cannot define kernel ${name}: there is no fragment ${fragment}`);
    }
    return { file: `kernels/fragments/${fragment}.wgsl`, code: text };
  });
  return defineKernel(name, [...fragments, { file: `kernels/${name}.wgsl`, code }]);
}
