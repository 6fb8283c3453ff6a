import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import type { CausalOptions } from "../kernels/causal_attention.ts";
import { columnSums, SUM_CHUNK } from "../kernels/column_sums.ts";
import {
  matmul,
  type Matrix,
  operandFloats,
  type OperandImages,
  usesImages,
} from "../kernels/matmul.ts";
import { countFrames, countRows, type TokenLayout } from "../kernels/modulated_norm.ts";
import type { FarSizes } from "../model/config.ts";
import { TIMESTEP_WIDTH } from "../model/embeddings.ts";
import type { ParameterStore } from "./parameters.ts";
import type { Workspace } from "./workspace.ts";

/** Adapters of layers. */
export interface Adapters {
  readonly rank: number;
  readonly scale: number;
  readonly layers: ReadonlySet<string>;
}

/** Inputs for recording a training pass. */
export interface Pass {
  readonly program: Program;
  readonly store: ParameterStore;
  readonly workspace: Workspace;
  readonly sizes: FarSizes;
  readonly layout: TokenLayout;
  /** Tokens per row of a frame of the window. */
  readonly columns: number;
  readonly recompute: boolean;
  readonly adapters: Adapters | undefined;
}

/** Names of a layer's adapter in diffusers' format. */
export function adapterNames(layer: string): { readonly a: string; readonly b: string } {
  return { a: `transformer.${layer}.lora_A.weight`, b: `transformer.${layer}.lora_B.weight` };
}

/** Whether a layer has an adapter. */
export function isAdapted({ adapters }: Pass, layer: string): boolean {
  return adapters?.layers.has(layer) ?? false;
}

/** Whether a layer's weight is trained, and has no adapter. */
export function isTrainedAlone(pass: Pass, layer: string): boolean {
  return pass.store.find(`${layer}.weight`, "gradient") !== undefined && !isAdapted(pass, layer);
}

/** Rows of a matrix, from one on. */
export interface Rows {
  readonly tensor: Tensor;
  readonly first: number;
  readonly count: number;
  /** First column (0). */
  readonly column?: number;
}

/** Rows [first, first + count) of a tensor [R, width]. */
export function rowsOf(tensor: Tensor, first: number, count: number, column = 0): Rows {
  return { tensor, first, count, column };
}

function matrix({ tensor, first, column = 0 }: Rows): Matrix {
  const stride = tensor.shape.at(-1)!;
  return { tensor, first: first * stride + column, stride };
}

/** Inputs and outputs of a linear layer. */
export type LinearShape = readonly [outputs: number, inputs: number];

/** y = x W^T + b, with the layer's adapter, if it has one. */
export function linearForward(
  pass: Pass,
  layer: string,
  [n, k]: LinearShape,
  x: Rows,
  y: Rows,
  again = false,
): void {
  if (x.count === 0) return;
  const { program: p, store } = pass;
  const weight = { ...store.weight(`${layer}.weight`), stride: k };
  const bias = store.weight(`${layer}.bias`);
  const images = operandImages(pass);
  const sizes = { m: x.count, n, r: k, transposeB: true, bias, label: layerKind(layer), images };
  matmul(p, matrix(x), weight, matrix(y), { ...sizes, packed: { a: again } });
  if (!isAdapted(pass, layer)) return;
  const { rank, scale } = pass.adapters!;
  const low = adapterInput(pass, layer, k, x);
  const b = { ...store.weight(adapterNames(layer).b), stride: rank };
  const up = { m: x.count, n, r: rank, transposeB: true, add: true, scale, images };
  matmul(p, matrix(low), b, matrix(y), up);
}

/** x A^T of an adapter, in scratch. */
function adapterInput(pass: Pass, layer: string, k: number, x: Rows): Rows {
  const { program: p, store } = pass;
  const { rank } = pass.adapters!;
  const low = rowsOf(adapterScratch(pass, "adapter input"), 0, x.count);
  const a = { ...store.weight(adapterNames(layer).a), stride: k };
  const images = operandImages(pass);
  matmul(p, matrix(x), a, matrix(low), { m: x.count, n: rank, r: k, transposeB: true, images });
  return low;
}

/** Scratch for any layer's low-rank rows: of tokens, or of frames. */
function adapterScratch({ workspace, layout, adapters }: Pass, name: string): Tensor {
  const rows = Math.max(countRows(layout), countFrames(layout));
  return workspace.tensor(name, [rows, adapters!.rank]);
}

/** Activations of a layer's forward pass, and gradients. */
export interface LinearGradients {
  readonly x: Rows;
  readonly dy: Rows;
  /** Gradient of x; absent if nothing below is trained. May be x itself. */
  readonly dx: Rows | undefined;
  /** Adds to dx. */
  readonly add?: boolean;
  /** The layer before had the same x, and no adapter. */
  readonly again?: boolean;
}

/** Gradients of a linear layer; those of weight and bias are accumulated, if they are trained. */
export function linearBackward(
  pass: Pass,
  layer: string,
  [n, k]: LinearShape,
  { x, dy, dx, add = false, again = false }: LinearGradients,
): void {
  const count = x.count;
  if (count === 0) return;
  const { program: p, store } = pass;
  const images = operandImages(pass);
  // first, since dx may be x itself
  const low = isAdapted(pass, layer) ? adapterBackward(pass, layer, [n, k], { x, dy }) : undefined;
  const dw = store.find(`${layer}.weight`, "gradient");
  if (dw) {
    const sizes = { m: n, n: k, r: count, transposeA: true, add: true, images };
    const more = { label: "weight gradient", packed: { b: again && !low } };
    matmul(p, matrix(dy), matrix(x), { ...dw, stride: k }, { ...sizes, ...more });
  }
  if (dx) {
    const weight = { ...store.weight(`${layer}.weight`), stride: k };
    const sizes = { m: count, n: k, r: n, add, label: "input gradient" };
    const own = images && { a: images.a, b: images.weight };
    const packed = { a: dw !== undefined }; // dy, whichever way it is turned
    matmul(p, matrix(dy), weight, matrix(dx), { ...sizes, images: own, packed });
  }
  const db = store.find(`${layer}.bias`, "gradient");
  if (db) columnSums(p, matrix(dy), [count, n], db, sumScratch(pass, count, n));
  if (!dx || !low) return;
  const { rank, scale } = pass.adapters!;
  const a = { ...store.weight(adapterNames(layer).a), stride: k };
  const through = { m: count, n: k, r: rank, add: true, scale, images };
  matmul(p, matrix(low), a, matrix(dx), through);
}

/** Gradients of an adapter y += scale (x A^T) B^T. Returns dy B, for the gradient of x. */
function adapterBackward(
  pass: Pass,
  layer: string,
  [n, k]: LinearShape,
  { x, dy }: Pick<LinearGradients, "x" | "dy">,
): Rows {
  const { program: p, store } = pass;
  const { rank, scale } = pass.adapters!;
  const { a, b } = adapterNames(layer);
  const count = x.count;
  const images = operandImages(pass);
  const low = adapterInput(pass, layer, k, x);
  const db = { ...store.find(b, "gradient")!, stride: rank };
  const toB = { m: n, n: rank, r: count, transposeA: true, add: true, scale, images };
  matmul(p, matrix(dy), matrix(low), db, toB);
  const through = rowsOf(adapterScratch(pass, "adapter gradient"), 0, count);
  const weightB = { ...store.weight(b), stride: rank };
  matmul(p, matrix(dy), weightB, matrix(through), { m: count, n: rank, r: n, images });
  const da = { ...store.find(a, "gradient")!, stride: k };
  const toA = { m: rank, n: k, r: count, transposeA: true, add: true, scale, images };
  matmul(p, matrix(through), matrix(x), da, toA);
  return through;
}

/** Scratch of the first pass of a bias's gradient. */
function sumScratch(pass: Pass, rows: number, columns: number): Tensor {
  const { sizes, layout, workspace } = pass;
  const chunks = Math.ceil(countRows(layout) / SUM_CHUNK);
  const most = Math.max(
    chunks * 4 * sizes.d,
    Math.ceil(countFrames(layout) / SUM_CHUNK) * 6 * sizes.d,
  );
  return workspace.tensor("column sums", [Math.max(most, Math.ceil(rows / SUM_CHUNK) * columns)]);
}

/** Where the operands of a product are packed, on devices that want them in images. */
function operandImages(
  { program, workspace, sizes, layout, adapters }: Pass,
): OperandImages & { readonly weight: Tensor } | undefined {
  if (!usesImages(program)) return undefined;
  const { d, channels, patch, contextPatch = 1 } = sizes;
  const features = channels * Math.max(patch, contextPatch) ** 2;
  const widest = Math.max(4 * d, features, TIMESTEP_WIDTH);
  const rows = Math.max(countRows(layout), countFrames(layout), adapters?.rank ?? 0);
  const weight = Math.max(operandFloats(4 * d, d), operandFloats(features, d), d * widest);
  const floats = Math.max(operandFloats(rows, widest), operandFloats(d, widest), weight);
  return {
    a: workspace.image("operand a", floats),
    b: workspace.image("operand b", floats),
    weight: workspace.image("operand weight", Math.max(operandFloats(d, widest), weight)),
  };
}

/** Where attention's rows are copied to: between products, whose images they may take. */
export function attentionImages(pass: Pass): CausalOptions["images"] {
  const images = operandImages(pass);
  if (!images) return undefined;
  const { workspace, layout, sizes } = pass;
  const dy = workspace.image("attention gradient", countRows(layout) * sizes.d);
  return { qk: images.a, qkv: images.b, dy };
}

/** `transformer_blocks.3.attn.to_q` -> `to_q`, for tables of times. */
function layerKind(layer: string): string {
  return layer.replace(/^transformer_blocks\.\d+\./, "").replace(/^(attn|mlp)\./, "");
}
