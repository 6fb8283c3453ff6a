import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { tensorKind } from "../gpu/tuning.ts";
import { columnSums, SUM_CHUNK } from "../kernels/column_sums.ts";
import { matmul, type Matrix, operand } from "../kernels/matmul.ts";
import { countFrames, countRows, type TokenLayout, windowRows } from "../kernels/modulated_norm.ts";
import type { FarSizes } from "../model/config.ts";
import type { ParameterStore } from "./parameters.ts";
import type { Workspace } from "./workspace.ts";

/** Adapters of the layers that have one. */
export interface Adapters {
  readonly rank: number;
  readonly scale: number;
  readonly layers: ReadonlySet<string>;
}

/** What the recording of a training pass needs. */
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

/** Names of a layer's adapter, as diffusers saves them. */
export function adapterNames(layer: string): { readonly a: string; readonly b: string } {
  return { a: `transformer.${layer}.lora_A.weight`, b: `transformer.${layer}.lora_B.weight` };
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

/** y = x W^T + b, with the layer's adapter where it has one. */
export function linearForward(
  pass: Pass,
  layer: string,
  [n, k]: LinearShape,
  x: Rows,
  y: Rows,
): void {
  if (x.count === 0) return;
  const { program: p, store } = pass;
  const weight = { ...store.weight(`${layer}.weight`), stride: k };
  const bias = store.weight(`${layer}.bias`);
  const image = operandImage(pass, n * k);
  const sizes = { m: x.count, n, r: k, transposeB: true, bias, label: layerKind(layer) };
  matmul(p, matrix(x), operand(p, weight, [n, k], image), matrix(y), sizes);
  if (!pass.adapters?.layers.has(layer)) return;
  const { rank, scale } = pass.adapters;
  const low = adapterInput(pass, layer, k, x);
  const b = { ...store.weight(adapterNames(layer).b), stride: rank };
  const up = { m: x.count, n, r: rank, transposeB: true, add: true, scale };
  matmul(p, matrix(low), operand(p, b, [n, rank], image), matrix(y), up);
}

/** x A^T of an adapter, in scratch. */
function adapterInput(pass: Pass, layer: string, k: number, x: Rows): Rows {
  const { program: p, store } = pass;
  const { rank } = pass.adapters!;
  const low = rowsOf(adapterScratch(pass, "adapter input"), 0, x.count);
  const a = { ...store.weight(adapterNames(layer).a), stride: k };
  const image = operandImage(pass, rank * k);
  const down = { m: x.count, n: rank, r: k, transposeB: true };
  matmul(p, matrix(x), operand(p, a, [rank, k], image), matrix(low), down);
  return low;
}

/** Room for any layer's low-rank rows: those of tokens, or of frames. */
function adapterScratch({ workspace, layout, adapters }: Pass, name: string): Tensor {
  const rows = Math.max(countRows(layout), countFrames(layout));
  return workspace.tensor(name, [rows, adapters!.rank]);
}

/** Activations of a layer's forward pass, and gradients. */
export interface LinearGradients {
  readonly x: Rows;
  readonly dy: Rows;
  /** Gradient of x; absent where nothing below is trained. May be x itself. */
  readonly dx: Rows | undefined;
  /** Adds to dx. */
  readonly add?: boolean;
}

/** Gradients of a linear layer: its weight's and bias's are added to, where they are trained. */
export function linearBackward(
  pass: Pass,
  layer: string,
  [n, k]: LinearShape,
  { x, dy, dx, add = false }: LinearGradients,
): void {
  const count = x.count;
  if (count === 0) return;
  const { program: p, store } = pass;
  const dw = store.find(`${layer}.weight`, "gradient");
  if (dw) {
    const b = operand(p, matrix(x), [count, k], operandImage(pass, count * k));
    const sizes = { m: n, n: k, r: count, transposeA: true, add: true, label: "weight gradient" };
    matmul(p, matrix(dy), b, { ...dw, stride: k }, sizes);
  }
  const db = store.find(`${layer}.bias`, "gradient");
  if (db) columnSums(p, matrix(dy), [count, n], db, sumScratch(pass, count, n));
  const low = pass.adapters?.layers.has(layer)
    ? adapterBackward(pass, layer, [n, k], { x, dy })
    : undefined;
  if (!dx) return;
  const image = operandImage(pass, n * k);
  const weight = { ...store.weight(`${layer}.weight`), stride: k };
  const sizes = { m: count, n: k, r: n, add, label: "input gradient" };
  matmul(p, matrix(dy), operand(p, weight, [n, k], image), matrix(dx), sizes);
  if (!low) return;
  const { rank, scale } = pass.adapters!;
  const a = { ...store.weight(adapterNames(layer).a), stride: k };
  const through = { m: count, n: k, r: rank, add: true, scale };
  matmul(p, matrix(low), operand(p, a, [rank, k], image), matrix(dx), through);
}

/** Gradients of an adapter y += scale (x A^T) B^T. Returns dy B, which leads on to x. */
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
  const low = adapterInput(pass, layer, k, x);
  const lowImage = operandImage(pass, count * rank);
  const db = { ...store.find(b, "gradient")!, stride: rank };
  const toB = { m: n, n: rank, r: count, transposeA: true, add: true, scale };
  matmul(p, matrix(dy), operand(p, matrix(low), [count, rank], lowImage), db, toB);
  const through = rowsOf(adapterScratch(pass, "adapter gradient"), 0, count);
  const weightB = { ...store.weight(b), stride: rank };
  const bOperand = operand(p, weightB, [n, rank], operandImage(pass, n * rank));
  matmul(p, matrix(dy), bOperand, matrix(through), { m: count, n: rank, r: n });
  const da = { ...store.find(a, "gradient")!, stride: k };
  const xOperand = operand(p, matrix(x), [count, k], operandImage(pass, count * k));
  const toA = { m: rank, n: k, r: count, transposeA: true, add: true, scale };
  matmul(p, matrix(through), xOperand, da, toA);
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

/** Where a second operand of a product is copied to, on devices that want it in an image. */
function operandImage(pass: Pass, floats: number): Tensor | undefined {
  if (tensorKind(pass.program.device) !== "texture") return undefined;
  const { d, channels, patch, contextPatch = 1 } = pass.sizes;
  const rows = Math.max(countRows(pass.layout), 3 * d, 256);
  const features = channels * Math.max(patch, contextPatch) ** 2;
  return pass.workspace.image(Math.max(floats, rows * 4 * d, windowRows(pass.layout) * features));
}

/** `transformer_blocks.3.attn.to_q` -> `to_q`, for tables of times. */
function layerKind(layer: string): string {
  return layer.replace(/^transformer_blocks\.\d+\./, "").replace(/^(attn|mlp)\./, "");
}
