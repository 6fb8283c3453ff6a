import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { clear } from "../kernels/clear.ts";
import { copy } from "../kernels/copy.ts";
import { columnSums, type Place, SUM_CHUNK } from "../kernels/column_sums.ts";
import {
  matmul,
  type Matrix,
  packedFloats,
  type Packing,
  packMatrix,
  usesImages,
} from "../kernels/matmul.ts";
import { countFrames, countRows, type TokenLayout } from "../kernels/modulated_norm.ts";
import type { FarSizes } from "../model/config.ts";
import { type CopiedGroup, copiedWeights } from "./copied_weights.ts";
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
  /** Whether activations and copies of weights are f16. */
  readonly half: boolean;
  readonly adapters: Adapters | undefined;
  /** Names of the parameters that the program has copied into images so far. */
  readonly copied: Set<string>;
  /** Weights that the program has copied into an image last. */
  readonly shared: CopiedGroup;
  /** Whether it is the first of a step: its products write gradients, those of later ones add. */
  readonly isFirst: boolean;
  /** Names of the parameters whose gradients a product of the program has written. */
  readonly written: Set<string>;
}

/**
 * A tensor that kernels update: in place, or from an image into another, since an image cannot be
 * read and written at once.
 */
export class Updated {
  #now: Tensor;
  #next: Tensor;

  readonly #program: Program;

  constructor({ program, workspace }: Pass, name: string, shape: readonly number[]) {
    this.#program = program;
    this.#now = workspace.tensor(name, shape);
    this.#next = usesImages(program) ? workspace.tensor(`${name}, updated`, shape) : this.#now;
  }

  /** Its present value. */
  get tensor(): Tensor {
    return this.#now;
  }

  /** Zeroes it. Rows that no update touches stay so. */
  clear(count: number): void {
    for (const tensor of new Set([this.#now, this.#next])) clear(this.#program, tensor, 0, count);
  }

  /** Records an update. */
  update(write: (from: Tensor, to: Tensor) => void): void {
    write(this.#now, this.#next);
    [this.#now, this.#next] = [this.#next, this.#now];
  }
}

/** Names of a layer's adapter in diffusers' format. */
export function adapterNames(layer: string): { readonly a: string; readonly b: string } {
  return { a: `transformer.${layer}.lora_A.weight`, b: `transformer.${layer}.lora_B.weight` };
}

/** Whether a layer has an adapter. */
function isAdapted({ adapters }: Pass, layer: string): boolean {
  return adapters?.layers.has(layer) ?? false;
}

/** Rows of a matrix, from one on. */
export interface Rows {
  readonly tensor: Tensor;
  readonly first: number;
  readonly count: number;
  /** First column (0). */
  readonly column?: number;
  /** The same as products read it, if it has been packed for several of them. */
  readonly packed?: Matrix;
}

/** Rows [first, first + count) of a tensor [R, width]. */
export function rowsOf(tensor: Tensor, first: number, count: number, column = 0): Rows {
  return { tensor, first, count, column };
}

function matrix({ tensor, first, column = 0 }: Rows): Matrix {
  const stride = tensor.shape.at(-1)!;
  return { tensor, first: first * stride + column, stride };
}

/** Fewer rows, and those of narrower models, are read where they are: packing costs what it saves. */
const LEAST_PACKED = 64;
const LEAST_WIDTH = 384;

function packsOperands({ program, sizes: { d } }: Pass, rows: number): boolean {
  return usesImages(program) && d >= LEAST_WIDTH && rows >= LEAST_PACKED;
}

/**
 * What a product reads many times, packed where the device gathers from images.
 * @param name of the scratch, which the next one of this name takes
 */
function packed(
  pass: Pass,
  name: string,
  rows: Rows,
  columns: number,
  packing: Packing,
): Matrix {
  const { program: p, workspace, layout, sizes: { d } } = pass;
  if (rows.packed?.packed === packing) return rows.packed;
  if (!packsOperands(pass, rows.count)) return matrix(rows);
  const sizes = [[countRows(layout), 4 * d], [rows.count, columns]] as const;
  const floats = sizes.flatMap(([m, n]) => [packedFloats(m, n), packedFloats(m, n, "columns")]);
  const image = workspace.exact(name, [Math.max(...floats)]);
  return packMatrix(p, matrix(rows), [rows.count, columns], image, packing);
}

/** Rows [R, columns] that several layers read next, packed once for them, in scratch of this name. */
export function packedFor(
  pass: Pass,
  layers: "forward" | "backward",
  rows: Rows,
  columns: number,
  name: string,
): Rows {
  const packing = layers === "forward" ? "rows" : "columns";
  return { ...rows, packed: packed(pass, name, rows, columns, packing) };
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
): void {
  if (x.count === 0) return;
  const { program: p } = pass;
  const { weight, bias } = layerOperands(pass, layer, [n, k]);
  const sizes = { m: x.count, n, r: k, transposeB: true, bias, label: layerKind(layer) };
  if (!isAdapted(pass, layer)) {
    return matmul(p, packed(pass, "packed input", x, k, "rows"), weight, matrix(y), sizes);
  }
  const { rank, scale } = pass.adapters!;
  const low = adapterInput(pass, layer, k, x);
  const b = weightOperand(pass, adapterNames(layer).b, [n, rank]);
  const own = adapterSum(pass, y);
  matmul(p, matrix(low), b, matrix(own), { m: x.count, n, r: rank, transposeB: true, scale });
  matmul(p, matrix(x), weight, matrix(y), { ...sizes, onto: own.tensor });
}

/** Where an adapter's part of a result goes, before the rest is added: its place, if need be. */
function adapterSum({ program, workspace, layout }: Pass, y: Rows): Rows {
  if (!usesImages(program)) return y;
  const width = y.tensor.shape.at(-1)!;
  const rows = Math.max(countRows(layout), countFrames(layout));
  return { ...y, tensor: workspace.tensor(`adapter sum of ${width}`, [rows, width]) };
}

/** x A^T of an adapter, in scratch. */
function adapterInput(pass: Pass, layer: string, k: number, x: Rows): Rows {
  const { rank } = pass.adapters!;
  const low = rowsOf(adapterScratch(pass, "adapter input"), 0, x.count);
  const a = weightOperand(pass, adapterNames(layer).a, [rank, k]);
  const sizes = { m: x.count, n: rank, r: k, transposeB: true };
  matmul(pass.program, matrix(x), a, matrix(low), sizes);
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
  /** What the gradient of x is added to, place by place; see `Updated`. */
  readonly onto?: Tensor;
}

/** Gradients of a linear layer; those of weight and bias are accumulated, if they are trained. */
export function linearBackward(
  pass: Pass,
  layer: string,
  [n, k]: LinearShape,
  { x, dy, dx, onto }: LinearGradients,
): void {
  const count = x.count;
  if (count === 0) return;
  const { program: p, store } = pass;
  // first, since dx may be x itself
  const low = isAdapted(pass, layer) ? adapterBackward(pass, layer, [n, k], { x, dy }) : undefined;
  const dw = store.find(`${layer}.weight`, "gradient");
  if (dw) {
    const onto = gradientBefore(pass, `${layer}.weight`, dw);
    const sizes = { m: n, n: k, r: count, transposeA: true, onto };
    const of = { ...sizes, label: "weight gradient" };
    const [columns, inputs] = [
      packed(pass, "packed gradient", dy, n, "columns"),
      packed(pass, "packed input", x, k, "columns"),
    ];
    matmul(p, columns, inputs, { ...dw, stride: k }, of);
  }
  const db = store.find(`${layer}.bias`, "gradient");
  if (db) columnSums(p, matrix(dy), [count, n], db, sumScratch(pass, count, n));
  if (!dx) return;
  const { weight } = layerOperands(pass, layer, [n, k]);
  const sizes = { m: count, n: k, r: n, label: "input gradient" };
  if (!low) {
    const rows = packed(pass, "packed gradient", dy, n, "rows");
    const across = packedAcross(pass, weight, [n, k], count);
    return matmul(p, rows, across, matrix(dx), { ...sizes, onto });
  }
  const { rank, scale } = pass.adapters!;
  const a = weightOperand(pass, adapterNames(layer).a, [rank, k]);
  const own = adapterSum(pass, dx);
  matmul(p, matrix(low), a, matrix(own), { m: count, n: k, r: rank, scale, onto });
  matmul(p, matrix(dy), weight, matrix(dx), { ...sizes, onto: own.tensor });
}

/** A layer's weight as the gradient of many inputs reads it, in scratch. */
function packedAcross(
  pass: Pass,
  weight: Matrix,
  [n, k]: LinearShape,
  count: number,
): Matrix {
  const { program: p, workspace, sizes: { d } } = pass;
  if (!packsOperands(pass, count)) return weight;
  const floats = Math.max(packedFloats(4 * d, d, "columns"), packedFloats(n, k, "columns"));
  const image = workspace.exact(`weight across of ${floats}`, [floats]);
  return packMatrix(p, weight, [n, k], image, "columns");
}

/** What the gradient that a product gives is added to; nothing if it is the first of a step. */
function gradientBefore(
  { isFirst, written }: Pass,
  name: string,
  { tensor }: Place,
): Tensor | undefined {
  const isNew = isFirst && !written.has(name);
  written.add(name);
  return isNew ? undefined : tensor;
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
  const low = adapterInput(pass, layer, k, x);
  const summed = { r: count, transposeA: true, scale };
  const db = { ...store.find(b, "gradient")!, stride: rank };
  const ontoB = gradientBefore(pass, b, db);
  matmul(p, matrix(dy), matrix(low), db, { ...summed, m: n, n: rank, onto: ontoB });
  const through = rowsOf(adapterScratch(pass, "adapter gradient"), 0, count);
  const weightB = weightOperand(pass, b, [n, rank]);
  matmul(p, matrix(dy), weightB, matrix(through), { m: count, n: rank, r: n });
  const da = { ...store.find(a, "gradient")!, stride: k };
  const ontoA = gradientBefore(pass, a, da);
  matmul(p, matrix(through), matrix(x), da, { ...summed, m: rank, n: k, onto: ontoA });
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
  return workspace.buffer("column sums", [Math.max(most, Math.ceil(rows / SUM_CHUNK) * columns)]);
}

/** A layer's weight and bias, as products read them. */
function layerOperands(pass: Pass, layer: string, [n, k]: LinearShape) {
  const { program: p, store, copied } = pass;
  const bias = store.weight(`${layer}.bias`);
  const isNew = !copied.has(`${layer}.weight`);
  const weight = weightOperand(pass, `${layer}.weight`, [n, k], n);
  if (!usesImages(p)) return { weight, bias };
  const first = packedFloats(n, k);
  if (isNew) copy(p, bias, n, { tensor: weight.tensor, first });
  return { weight, bias: { tensor: weight.tensor, first } };
}

/** A matrix of parameters as products read it, packed once per program where they read images. */
function weightOperand(pass: Pass, name: string, [n, k]: LinearShape, more = 0): Matrix {
  const { program: p, store, workspace, copied } = pass;
  const weight = { ...store.weight(name), stride: k };
  const packed = usesImages(p);
  if (!packed && !pass.half) return weight;
  const isNew = !copied.has(name);
  copied.add(name);
  const tensor = workspace.tensor(`copy of ${name}`, packed ? [packedFloats(n, k) + more] : [n, k]);
  if (isNew && packed) {
    const floats = store.largestGroup; // a teacher's groups may be larger
    const image = workspace.exact(`copied weights of ${floats}`, [floats]);
    const from = { ...weight, tensor: copiedWeights(p, weight.tensor, image, pass.shared) };
    packMatrix(p, from, [n, k], tensor);
  }
  if (isNew && !packed) copy(p, weight, n * k, { tensor, first: 0 });
  return { tensor, stride: k, ...packed && { packed: "rows" } };
}

/** A vector of parameters where the device gathers from. */
export function vectorOperand(pass: Pass, name: string, count: number): Place {
  const { program: p, store, workspace, copied } = pass;
  const vector = store.weight(name);
  if (!usesImages(p)) return vector;
  const image = workspace.exact(`copy of ${name}`, [count]);
  if (!copied.has(name)) copy(p, vector, count, { tensor: image, first: 0 });
  copied.add(name);
  return { tensor: image, first: 0 };
}

/** What the CPU wrote, where the device gathers from; `copyInputs` has to be recorded first. */
export function inputOperand({ program, workspace }: Pass, input: Tensor): Tensor {
  if (!usesImages(program)) return input;
  return workspace.exact(`copy of ${input.buffer.label}`, input.shape);
}

/** Copies what the CPU wrote to where the device gathers from. */
export function copyInputs(pass: Pass, inputs: readonly (Tensor | undefined)[]): void {
  if (!usesImages(pass.program)) return;
  for (const input of inputs) {
    if (!input) continue;
    const [from, to] = [input, inputOperand(pass, input)].map((tensor) => ({ tensor, first: 0 }));
    copy(pass.program, from!, size(input.shape), to!);
  }
}

/** `transformer_blocks.3.attn.to_q` -> `to_q`, for tables of times. */
function layerKind(layer: string): string {
  return layer.replace(/^transformer_blocks\.\d+\./, "").replace(/^(attn|mlp)\./, "");
}
