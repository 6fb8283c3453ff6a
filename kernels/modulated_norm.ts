import sumsCode from "./frame_sums.wgsl" with { type: "text" };
import gateCode from "./gate.wgsl" with { type: "text" };
import code from "./modulated_norm.wgsl" with { type: "text" };
import backwardCode from "./modulated_norm_backward.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";
import { dispatchForm, memoryForms, updating } from "./memory_forms.ts";

const NORM = memoryForms("modulated_norm", code, ["x", "table", "y", "stats"]);
const BACKWARD = ["x", "table", "stats", "dy", "dx"];
const NORM_BACKWARD = memoryForms("modulated_norm_backward", backwardCode, BACKWARD);
const FRAME_SUMS = memoryForms("frame_sums", sumsCode, ["x", "stats", "dy", "table"]);
const GATE = memoryForms("gate", gateCode, ["x", "table", "residual", "y"]);

/**
 * Order of rows in a training pass: first the window frames of all videos, then their long-term
 * context frames; the frames of each video are consecutive.
 */
export interface TokenLayout {
  readonly videos: number;
  /** Per video. */
  readonly contextFrames: number;
  readonly windowFrames: number;
  /**
   * Whether the window's frames are there twice: first all of them clean, then all of them noisy. A
   * noisy frame sees only itself and the clean ones before it.
   */
  readonly twins?: boolean;
  /** Per frame. */
  readonly contextTokens: number;
  readonly windowTokens: number;
}

/** Frames of a video's window, of which twins count once. */
export function windowLength({ windowFrames, twins }: TokenLayout): number {
  return twins ? windowFrames / 2 : windowFrames;
}

/** Rows of all tokens. */
export function countRows(l: TokenLayout): number {
  return windowRows(l) + l.videos * l.contextFrames * l.contextTokens;
}

/** Rows of the windows, which come first. */
export function windowRows({ videos, windowFrames, windowTokens }: TokenLayout): number {
  return videos * windowFrames * windowTokens;
}

/** Frames of all videos. */
export function countFrames({ videos, contextFrames, windowFrames }: TokenLayout): number {
  return videos * (contextFrames + windowFrames);
}

/** A table of adaLN modulation, [frames, stride]. */
export interface FrameTable {
  readonly layout: TokenLayout;
  readonly table: Tensor;
  /** Offsets of the values in a row, in floats. */
  readonly at: { readonly shift?: number; readonly scale?: number; readonly gate?: number };
}

/** What kernels are told of rows of width d, and of a table. */
function places({ layout, table, at }: FrameTable, d: number): Record<string, number> {
  const { shift = 0, scale = 0, gate = 0 } = at;
  return {
    rows: countRows(layout),
    d: d / 4,
    window_rows: windowRows(layout),
    window_tokens: layout.windowTokens,
    window_frames: layout.videos * layout.windowFrames,
    context_tokens: layout.contextTokens,
    stride: table.shape[1]! / 4,
    ...{ shift: shift / 4, scale: scale / 4, gate: gate / 4 },
  };
}

/** How rows are divided among lanes: one lane each on software adapters. */
function rowLanes({ device: { cpu } }: Program, rows: number) {
  const WG = cpu ? 8 : 64;
  return {
    constants: { WG, ALONE: Number(cpu) },
    groups: cpu ? grid(rows, WG) : grid(rows, 1),
  };
}

/**
 * y = LN(x) (1 + scale) + shift by frame, eps 1e-6.
 * @param x [R, d] f32
 * @param to y [R, d] and what `modulatedNormBackward` needs: [R, 4] mean and 1 / deviation
 */
export function modulatedNorm(
  p: Program,
  x: Tensor,
  frames: FrameTable,
  to: { readonly y: Tensor; readonly stats: Tensor },
): void {
  dispatchForm(p, NORM, {
    ...rowLanes(p, countRows(frames.layout)),
    params: places(frames, x.shape[1]!),
    buffers: { x, table: frames.table, ...to },
  });
}

/**
 * Gradients of `modulatedNorm`: that of x is added to dx; the sums over each frame's tokens go to
 * shift and scale of a table.
 * @param tensors with `to` for the new dx: dx itself, or another image
 * @param gradients the table for them, with the layout of the forward pass's
 */
export function modulatedNormBackward(
  p: Program,
  { x, stats, dy, dx, to }: Readonly<Record<"x" | "stats" | "dy" | "dx" | "to", Tensor>>,
  frames: FrameTable,
  gradients: Tensor,
): void {
  const d = x.shape[1]!;
  const params = places(frames, d);
  dispatchForm(p, FRAME_SUMS, {
    label: "shift and scale sums",
    constants: { NORM: 1 },
    params,
    buffers: { x, stats, dy, table: gradients },
    groups: [Math.ceil(d / 32), countFrames(frames.layout), 1],
  });
  dispatchForm(p, NORM_BACKWARD, {
    ...rowLanes(p, countRows(frames.layout)),
    params,
    buffers: { x, table: frames.table, stats, dy, ...updating("dx", dx, to) },
  });
}

/** y = gate x, plus a residual if given; x, y and residual are [R, d]. */
export function gate(
  p: Program,
  x: Tensor,
  frames: FrameTable,
  to: { readonly y: Tensor; readonly residual?: Tensor },
): void {
  const { constants, groups } = rowLanes(p, countRows(frames.layout));
  dispatchForm(p, GATE, {
    constants: { ...constants, RESIDUAL: Number(to.residual !== undefined) },
    params: places(frames, x.shape[1]!),
    buffers: { x, table: frames.table, residual: to.residual ?? x, y: to.y },
    groups,
  });
}

/** The gradient of a gate: sums of dy x over each frame's tokens, into a table. */
export function gateSums(
  p: Program,
  { x, dy }: Readonly<Record<"x" | "dy", Tensor>>,
  { layout, at }: Pick<FrameTable, "layout" | "at">,
  gradients: Tensor,
): void {
  const d = x.shape[1]!;
  dispatchForm(p, FRAME_SUMS, {
    label: "gate sums",
    constants: { NORM: 0 },
    params: places({ layout, table: gradients, at }, d),
    buffers: { x, stats: x, dy, table: gradients },
    groups: [Math.ceil(d / 32), countFrames(layout), 1],
  });
}
