import type { Tensor } from "../gpu/memory.ts";
import { usesImages } from "../kernels/matmul.ts";
import { countFrames, countRows } from "../kernels/modulated_norm.ts";
import type { Pass } from "./pass.ts";

/** Activations that a block keeps for its backward pass. */
export interface BlockMemory {
  /** Its input [R, d]. */
  readonly x: Tensor;
  /** adaLN modulation [frames, 6 d]: shift, scale, gate of attention, then of the mlp. */
  readonly table: Tensor;
  /** [R, 3 d]. */
  readonly qkv: Tensor;
  /** Attention's output [R, d], and the logarithms of its rows' sums [R, H, 4]. */
  readonly o: Tensor;
  readonly sums: Tensor;
  /** Attention's projected output, and x after it [R, d]. */
  readonly a: Tensor;
  readonly middle: Tensor;
  /** The mlp before its activation [R, 4 d], and its output [R, d]. */
  readonly hidden: Tensor;
  readonly mlp: Tensor;
  /** Inputs of attention and of the mlp [R, d], with the statistics of their norms. */
  readonly first: NormMemory;
  readonly second: NormMemory;
  /** Rotated queries and keys [R, 2 d]. */
  readonly qk: Tensor;
  /** The mlp after its activation [R, 4 d]. */
  readonly activated: Tensor;
}

/** A normalised and modulated input, and the statistics of its rows. */
export interface NormMemory {
  readonly y: Tensor;
  readonly stats: Tensor;
}

/**
 * Whether what is cheap to compute again is kept as well: norms, rotated queries and keys, and
 * activations. On software adapters computing is slow and memory is plentiful.
 */
export function keepsAll({ program }: Pass): boolean {
  return usesImages(program);
}

/** Names of block `i`'s memory; recomputed blocks share theirs, except x. */
export function blockMemory(pass: Pass, i: number): BlockMemory {
  const { workspace, layout, sizes: { d, heads }, recompute } = pass;
  const rows = countRows(layout);
  const of = (name: string) => `${recompute ? "block" : `block ${i}`} ${name}`;
  // scratch of all blocks where it is computed again
  const cheap = (name: string, scratch: string) => keepsAll(pass) ? of(name) : scratch;
  const norm = (name: string) => ({
    y: workspace.tensor(cheap(name, "scratch b"), [rows, d]),
    stats: workspace.exact(cheap(`${name} statistics`, "norm statistics"), [rows, 4]),
  });
  return {
    x: workspace.tensor(`block ${i} x`, [rows, d]),
    table: workspace.tensor(of("modulation"), [countFrames(layout), 6 * d]),
    qkv: workspace.tensor(of("qkv"), [rows, 3 * d]),
    o: workspace.tensor(of("attention"), [rows, d]),
    sums: workspace.exact(of("log sums"), [rows, heads, 4]),
    a: workspace.tensor(of("attention out"), [rows, d]),
    middle: workspace.tensor(of("middle"), [rows, d]),
    hidden: workspace.tensor(of("hidden"), [rows, 4 * d]),
    mlp: workspace.tensor(of("mlp"), [rows, d]),
    first: norm("attention in"),
    second: norm("mlp in"),
    qk: workspace.tensor(cheap("rotated", "rotated"), [rows, 2 * d]),
    activated: workspace.tensor(cheap("activated", "scratch wide"), [rows, 4 * d]),
  };
}

/** Scratch that all blocks share. */
export function blockScratch({ workspace, layout, sizes: { d } }: Pass) {
  const rows = countRows(layout);
  return {
    a: workspace.tensor("scratch a", [rows, d]),
    b: workspace.tensor("scratch b", [rows, d]),
    wide: workspace.tensor("scratch wide", [rows, 4 * d]),
    stats: workspace.exact("norm statistics", [rows, 4]),
  };
}
