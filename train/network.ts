import type { Memory, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { activation, activationBackward } from "../kernels/activation.ts";
import { addClasses, addClassesBackward, type ClassRows } from "../kernels/class_table.ts";
import { maskedMse } from "../kernels/masked_mse.ts";
import {
  countFrames,
  countRows,
  modulatedNorm,
  modulatedNormBackward,
  type TokenLayout,
  windowRows,
} from "../kernels/modulated_norm.ts";
import { TIMESTEP_WIDTH } from "../model/embeddings.ts";
import {
  blockBackward,
  blockForward,
  conditionBackward,
  type Stream,
  windowLayout,
} from "./block.ts";
import { blockMemory, blockScratch } from "./block_memory.ts";
import type { Parameter, ParameterStore } from "./parameters.ts";
import {
  copyInputs,
  inputOperand,
  linearBackward,
  linearForward,
  type Pass,
  rowsOf,
  Updated,
} from "./pass.ts";
import type { TrainerSettings } from "./settings.ts";

/** Inputs of a pass, and the tensor for its loss. */
export interface PassTensors {
  /** Patches of noised frames: windows [rows, C p p], long-term context [rows, C P P]. */
  readonly window: Tensor;
  readonly context: Tensor | undefined;
  /** Patches of the prediction target, for the windows. */
  readonly expected: Tensor;
  /** Sinusoids of timesteps [frames, 256]. */
  readonly timesteps: Tensor;
  /** Class of each frame [frames]. */
  readonly classes: Tensor;
  /** Weight of each window frame's loss, and last the scale of gradients. */
  readonly weights: Tensor;
  /** How soon a window frame's errors count less (`MaskedMse`), if a model is distilled. */
  readonly limits: Tensor | undefined;
  readonly rope: Tensor;
  readonly ropeTime: number;
  /** Loss, squares of gradients, loss of validation. */
  readonly results: Tensor;
}

/** A recorded pass over so many videos and frames. */
export interface RecordedPass {
  readonly program: Program;
  readonly pass: Pass;
  readonly tensors: PassTensors;
}

/** Records the work of a pass. */
export type PassBody = (pass: Pass, tensors: PassTensors) => void;

/** What records passes in one memory. */
export interface PassRecorder {
  readonly settings: TrainerSettings;
  readonly memory: Memory;
  /** Names and shapes of all parameters. */
  readonly parameters: { readonly all: readonly Parameter[] };
  /**
   * A pass, recorded if needed.
   * @param kind what it does, apart from its size
   * @param store weights other than those that are trained; they have no adapters
   */
  record(
    kind: string,
    layout: TokenLayout,
    body: PassBody,
    store?: ParameterStore,
  ): RecordedPass;
}

/** Indices of `PassTensors.results`. */
export const RESULTS = { loss: 0, squares: 1, validation: 2 } as const;

/** The inputs of a pass, which all passes share. */
export function passTensors(
  pass: Pass,
  shared: Pick<PassTensors, "rope" | "ropeTime" | "results">,
  { robust }: { readonly robust: boolean },
): PassTensors {
  const { workspace, layout, sizes: { channels, patch, contextPatch } } = pass;
  const rows = windowRows(layout);
  const contextRows = countRows(layout) - rows;
  const frames = countFrames(layout);
  const features = channels * patch ** 2;
  return {
    window: workspace.buffer("patches", [rows, features]),
    context: contextRows === 0
      ? undefined
      : workspace.buffer("context patches", [contextRows, channels * contextPatch! ** 2]),
    expected: workspace.buffer("targets", [rows, features]),
    timesteps: workspace.buffer("timesteps", [frames, TIMESTEP_WIDTH]),
    classes: workspace.buffer("classes", [frames], "u32"),
    weights: workspace.buffer("loss weights", [layout.videos * layout.windowFrames + 1]),
    limits: robust
      ? workspace.buffer("limits of errors", [layout.videos * layout.windowFrames])
      : undefined,
    ...shared,
  };
}

/** Activations outside the blocks. */
function headMemory({ workspace, layout, sizes: { d, channels, patch } }: Pass) {
  const frames = countFrames(layout);
  const rows = windowRows(layout);
  return {
    hidden: workspace.tensor("timestep hidden", [frames, d]),
    activated: workspace.tensor("timestep activated", [frames, d]),
    time: workspace.tensor("timestep embedding", [frames, d]),
    embedding: workspace.tensor("timestep and class embedding", [frames, d]),
    condition: workspace.tensor("condition", [frames, d]),
    out: workspace.tensor("output", [countRows(layout), d]),
    table: workspace.tensor("out modulation", [layout.videos * layout.windowFrames, 2 * d]),
    v: workspace.tensor("velocity", [rows, channels * patch ** 2]),
    dv: workspace.tensor("velocity gradient", [rows, channels * patch ** 2]),
    partial: workspace.buffer("loss of rows", [rows]),
  };
}

function classRows({ sizes: { condition, d }, layout }: Pass, index: Tensor): ClassRows {
  return { index, rows: countFrames(layout), classes: condition.count + 1, width: d };
}

function classTable({ kind }: Pass["sizes"]["condition"]): string | undefined {
  return kind === "none" ? undefined : `${kind}_embedder.embedding_table.weight`;
}

/** The velocity of the windows that a pass of this layout has computed last [rows, C p p]. */
export function velocityOf(pass: Pass): Tensor {
  return headMemory(pass).v;
}

/** The whole forward pass, up to the loss, which is added to one of the results. */
export function recordForward(pass: Pass, tensors: PassTensors, slot: number): void {
  const { program: p, layout: { windowTokens: tokens } } = pass;
  const { dv, partial } = headMemory(pass);
  const v = recordVelocity(pass, tensors);
  const { expected, weights, limits, results } = tensors;
  const rows = v.shape[0]!;
  maskedMse(p, { v, dv, expected, weights, limits, partial }, { rows, tokens, slot }, results);
}

/** The forward pass up to the velocity of the windows [rows, C p p], which it returns. */
export function recordVelocity(pass: Pass, tensors: PassTensors): Tensor {
  const { program: p, layout, sizes: { d, layers, channels, patch } } = pass;
  const { condition, out, table, v } = headMemory(pass);
  copyInputs(pass, [tensors.window, tensors.context, tensors.timesteps]);
  embedTimesteps(pass, tensors);
  embedPatches(pass, tensors);
  const stream: Stream = { condition, rope: tensors.rope, ropeTime: tensors.ropeTime };
  for (let i = 0; i < layers; i++) {
    const to = i + 1 < layers ? blockMemory(pass, i + 1).x : out;
    blockForward(pass, i, stream, blockMemory(pass, i), to);
  }
  const window = windowLayout(layout);
  const rows = windowRows(layout);
  const { a, stats } = blockScratch(pass);
  const frames = rowsOf(condition, 0, table.shape[0]!);
  linearForward(pass, "norm_out.linear", [2 * d, d], frames, rowsOf(table, 0, table.shape[0]!));
  const norm = { layout: window, table, at: { scale: 0, shift: d } };
  modulatedNorm(p, out, norm, { y: a, stats });
  const features = channels * patch ** 2;
  linearForward(pass, "proj_out", [features, d], rowsOf(a, 0, rows), rowsOf(v, 0, rows));
  return v;
}

/** SiLU(MLP(sinusoids) + class), which all adaLN projections read. */
function embedTimesteps(pass: Pass, { timesteps, classes }: PassTensors): void {
  const { program: p, store, layout, sizes: { d, condition } } = pass;
  const memory = headMemory(pass);
  const frames = countFrames(layout);
  const all = (tensor: Tensor) => rowsOf(tensor, 0, frames);
  const { hidden, activated, time } = memory;
  const first = "timestep_embedder.linear_1";
  const input = inputOperand(pass, timesteps);
  linearForward(pass, first, [d, TIMESTEP_WIDTH], all(input), all(hidden));
  activation(p, "silu", { x: hidden, y: activated }, frames * d);
  const table = classTable(condition);
  const embedding = table ? memory.embedding : time;
  linearForward(pass, "timestep_embedder.linear_2", [d, d], all(activated), all(time));
  const tensors = { x: time, y: embedding };
  if (table) addClasses(p, store.weight(table), tensors, classRows(pass, classes));
  activation(p, "silu", { x: embedding, y: memory.condition }, frames * d);
}

/** The patch embedding layers, with their shape and rows. */
function embedders({ layout, sizes: { d, channels, patch, contextPatch = 1 } }: Pass) {
  const rows = windowRows(layout);
  return [
    { name: "x_embedder", shape: [d, channels * patch ** 2], first: 0, rows, from: "window" },
    {
      name: "context_embedder",
      shape: [d, channels * contextPatch ** 2],
      first: rows,
      rows: countRows(layout) - rows,
      from: "context",
    },
  ] as const;
}

function embedPatches(pass: Pass, tensors: PassTensors): void {
  const { x } = blockMemory(pass, 0);
  for (const { name, shape, first, rows, from } of embedders(pass)) {
    const patches = tensors[from];
    if (!patches) continue;
    const given = rowsOf(inputOperand(pass, patches), 0, rows);
    linearForward(pass, name, shape, given, rowsOf(x, first, rows));
  }
}

/** Which parts of the network need gradients. */
export interface Reach {
  /** The lowest block with trained parameters; the number of blocks if none has. */
  readonly lowest: number;
  /** Whether timestep or class embeddings are trained. */
  readonly condition: boolean;
  /** Whether patch embeddings are trained. */
  readonly embedders: boolean;
}

/** Where the backward pass may stop, given what is trained. */
export function reachOf(isTrained: (name: string) => boolean, names: Iterable<string>): Reach {
  let lowest = Infinity;
  let condition = false;
  let embedders = false;
  for (const name of names) {
    if (!isTrained(name)) continue;
    const plain = name.replace(/^transformer\./, "");
    const block = /^transformer_blocks\.(\d+)\./.exec(plain)?.[1];
    if (block !== undefined) lowest = Math.min(lowest, Number(block));
    if (/^(timestep|label|action)_embedder\./.test(plain)) condition = true;
    if (/^(x|context)_embedder\./.test(plain)) embedders = true;
  }
  if (condition || embedders) lowest = 0;
  return { lowest, condition, embedders };
}

/** The whole backward pass; gradients are accumulated. */
export function recordBackward(pass: Pass, tensors: PassTensors, reach: Reach): void {
  const { layout, sizes: { d, layers } } = pass;
  const { condition } = headMemory(pass);
  const dx = new Updated(pass, "stream gradient", [countRows(layout), d]);
  const dcondition = reach.condition
    ? new Updated(pass, "condition gradient", [countFrames(layout), d])
    : undefined;
  dx.clear(countRows(layout) * d);
  dcondition?.clear(countFrames(layout) * d);
  outBackward(pass, dx, dcondition);
  const stream: Stream = { condition, rope: tensors.rope, ropeTime: tensors.ropeTime };
  for (let i = layers - 1; i >= reach.lowest; i--) {
    const memory = blockMemory(pass, i);
    if (pass.recompute && i < layers - 1) blockForward(pass, i, stream, memory, undefined);
    blockBackward(pass, i, stream, memory, { dx, condition: dcondition });
  }
  if (reach.embedders) {
    for (const { name, shape, first, rows, from } of embedders(pass)) {
      const patches = tensors[from];
      if (!patches) continue;
      const x = rowsOf(inputOperand(pass, patches), 0, rows);
      linearBackward(pass, name, shape, { x, dy: rowsOf(dx.tensor, first, rows), dx: undefined });
    }
  }
  if (dcondition) timestepsBackward(pass, tensors, dcondition);
}

/** Gradients of the head: proj_out, and the norm before it. */
function outBackward(pass: Pass, dx: Updated, dcondition: Updated | undefined): void {
  const { program: p, layout, sizes: { d, channels, patch }, workspace } = pass;
  const { out, table, dv, condition } = headMemory(pass);
  const { a, b, stats } = blockScratch(pass);
  const rows = windowRows(layout);
  const norm = { layout: windowLayout(layout), table, at: { scale: 0, shift: d } };
  modulatedNorm(p, out, norm, { y: b, stats });
  const features = channels * patch ** 2;
  const all = (tensor: Tensor) => rowsOf(tensor, 0, rows);
  linearBackward(pass, "proj_out", [features, d], { x: all(b), dy: all(dv), dx: all(a) });
  const dtable = workspace.tensor("out modulation gradient", table.shape);
  dx.update((dx, to) => modulatedNormBackward(p, { x: out, stats, dy: a, dx, to }, norm, dtable));
  const dy = rowsOf(dtable, 0, table.shape[0]!);
  conditionBackward(pass, "norm_out.linear", [2 * d, d], { condition, dy }, dcondition);
}

function timestepsBackward(
  pass: Pass,
  { timesteps, classes }: PassTensors,
  dcondition: Updated,
): void {
  const { program: p, store, layout, sizes: { d, condition } } = pass;
  const memory = headMemory(pass);
  const frames = countFrames(layout);
  const all = (tensor: Tensor) => rowsOf(tensor, 0, frames);
  const table = classTable(condition);
  const embedding = table ? memory.embedding : memory.time;
  dcondition.update((dy, to) => {
    activationBackward(p, "silu", { x: embedding, dy, to }, frames * d);
  });
  const dtable = table && store.find(table, "gradient");
  if (dtable) addClassesBackward(p, dcondition.tensor, dtable, classRows(pass, classes));
  const dhidden = new Updated(pass, "timestep gradient", [frames, d]);
  linearBackward(pass, "timestep_embedder.linear_2", [d, d], {
    x: all(memory.activated),
    dy: all(dcondition.tensor),
    dx: all(dhidden.tensor),
  });
  dhidden.update((dy, to) => {
    activationBackward(p, "silu", { x: memory.hidden, dy, to }, frames * d);
  });
  linearBackward(pass, "timestep_embedder.linear_1", [d, TIMESTEP_WIDTH], {
    x: all(inputOperand(pass, timesteps)),
    dy: all(dhidden.tensor),
    dx: undefined,
  });
}
