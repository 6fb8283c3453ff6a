import { basename, join, parse } from "node:path";
import { CheckpointError, quote } from "../../files/errors.ts";
import { isFile } from "../../files/file_source.ts";
import { AtomicFile, writeWhole } from "../../files/atomic_file.ts";
import { makeFolder, syncFolder, unwritable } from "../../files/folders.ts";
import { readJson } from "../../files/read_json.ts";
import type { Shapes } from "../../released/architecture.ts";
import { PthFile } from "../../weights/pth.ts";
import { bytesOf } from "../../files/bytes.ts";
import { readFloats, SafetensorsFile, writeFloats } from "../../weights/safetensors.ts";
import { PickleDict } from "../../weights/pickle.ts";
import { SavedFloat, SavedTuple, type SavedValue, writeTorch } from "../../weights/torch_writer.ts";
import { TorchValues } from "../../weights/torch_values.ts";
import type { DiscriminatorState, LossScaleState, TrainState } from "../settings.ts";
import { moduleOrder, parameterOrder } from "./parameter_order.ts";
import { readRandomStates, savedRandomStates } from "./random_states.ts";

/** Contents of a checkpoint besides the trainer's state. */
export interface CheckpointExtras {
  /** Position of the sampler. */
  readonly position: number;
}

/** Optimiser settings stored in a checkpoint. */
export interface OptimiserNumbers {
  readonly lr: number;
  /** Learning rate of the next step. */
  readonly nextLr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
}

/** What a trained network and its optimiser have. */
type NetworkState = Pick<TrainState, "step" | "parameters" | "expAvg" | "expAvgSq">;

/** Folder of checkpoints in a run's folder. */
export const CHECKPOINTS = "checkpoints";
/** Folder of a step's checkpoint. */
export function checkpointPath(run: string, step: number): string {
  return join(run, CHECKPOINTS, `step-${step}`);
}

const WEIGHTS = "model.safetensors";
const EXTRAS = "train_state.json";
/** Ending of the names of a discriminator's files, as accelerate names a second model's. */
const SECOND = "_1";
const OURS = /^step-(\d+)$/;
const RELEASED = /^checkpoint-(\d+)$/;

/**
 * Writes `checkpoints/step-N` with the names and formats of the released trainer; it has its name
 * only when it is complete.
 * @throws {CheckpointError} the disk is full or fails; nothing is left behind then
 */
export async function saveCheckpoint(
  run: string,
  state: TrainState,
  shapes: Shapes,
  numbers: OptimiserNumbers,
  extras: CheckpointExtras,
): Promise<string> {
  const parent = join(run, CHECKPOINTS);
  const path = checkpointPath(run, state.step);
  const partial = join(parent, `.step-${state.step}.partial`);
  await Deno.remove(partial, { recursive: true }).catch(() => {});
  await makeFolder(partial);
  try {
    await writeFiles(partial, state, shapes, numbers);
    const trained = ordered(state.expAvg.keys(), shapes);
    const record = {
      ...extras,
      step: state.step,
      lossScale: state.lossScale ?? null,
      trained,
      ...(state.discriminator && { discriminator: true }),
    };
    await writeWhole(join(partial, EXTRAS), JSON.stringify(record));
    syncFolder(partial);
    await removeCheckpoint(run, state.step); // the same step, computed again
    await Deno.rename(partial, path);
    syncFolder(parent);
  } catch (error) {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
    throw error;
  }
  return path;
}

async function writeFiles(
  folder: string,
  state: TrainState,
  shapes: Shapes,
  numbers: OptimiserNumbers,
): Promise<void> {
  const shapeOf = (name: string) => shapes.get(name) ?? [state.parameters.get(name)!.length];
  const names = ordered(state.parameters.keys(), shapes);
  const network = { names, shapeOf, numbers, steps: state.step };
  await saveNetwork(folder, "", state, network);
  await save(join(folder, "random_states_0.pkl"), savedRandomStates(state.step, state.random));
  const { discriminator } = state;
  if (discriminator) {
    const names = [...discriminator.shapes.keys()];
    const shapeOf = (name: string) => discriminator.shapes.get(name)!;
    await saveNetwork(folder, SECOND, discriminator, { ...network, names, shapeOf });
  }
  if (!state.ema) return;
  const averages = names.filter((name) => state.ema!.has(name))
    .map((name): [string, SavedValue] => [name, saved(state.ema!.get(name)!, shapeOf(name))]);
  await save(join(folder, "ema.pth"), new Map(averages));
}

/** How a network's parameters are called and shaped, and how they are trained. */
interface SavedNetwork {
  readonly names: readonly string[];
  readonly shapeOf: (name: string) => readonly number[];
  readonly numbers: OptimiserNumbers;
  /** Steps of the run, by which the learning rate goes. */
  readonly steps: number;
}

/** Saves weights, moments and schedule of a network. @param suffix of its files' names */
async function saveNetwork(
  folder: string,
  suffix: string,
  state: NetworkState,
  network: SavedNetwork,
): Promise<void> {
  const path = (name: string, type: string) => join(folder, `${name}${suffix}.${type}`);
  await writeFloats(path("model", "safetensors"), state.parameters, network.shapeOf);
  await save(path("optimizer", "bin"), savedOptimiser(state, network));
  await save(path("scheduler", "bin"), savedScheduler(network.steps, network.numbers));
}

function saved(values: Float32Array, shape: readonly number[]): SavedValue {
  return { tensor: { dtype: "F32", shape, data: bytesOf(values) } };
}

/** Saves a value as `torch.save` does. */
async function save(path: string, value: SavedValue): Promise<void> {
  await using sink = await AtomicFile.create(path);
  await writeTorch(sink, parse(path).name, value);
  await sink.commit();
}

/** Names as `parameterOrder` has them, and others after them. */
function ordered(names: Iterable<string>, shapes: Shapes): string[] {
  const given = new Set(names);
  return [...new Set([...parameterOrder(shapes).filter((name) => given.has(name)), ...given])];
}

/** Like `torch.optim.AdamW(...).state_dict()`. */
function savedOptimiser(
  { step, expAvg, expAvgSq }: NetworkState,
  { names, shapeOf, numbers: { lr, nextLr, betas, eps, weightDecay } }: SavedNetwork,
): SavedValue {
  const trained = names.filter((name) => expAvg.has(name));
  const steps = bytesOf(Float32Array.of(step));
  const state = trained.map((name, index): [number, SavedValue] => [
    index,
    new Map<string, SavedValue>([
      ["step", { tensor: { dtype: "F32", shape: [], data: steps } }],
      ["exp_avg", saved(expAvg.get(name)!, shapeOf(name))],
      ["exp_avg_sq", saved(expAvgSq.get(name)!, shapeOf(name))],
    ]),
  ]);
  const group = new Map<string, SavedValue>([
    ["lr", new SavedFloat(nextLr)],
    ["betas", new SavedTuple(betas.map((beta) => new SavedFloat(beta)))],
    ["eps", new SavedFloat(eps)],
    ["weight_decay", new SavedFloat(weightDecay)],
    ["amsgrad", false],
    ["foreach", null],
    ["maximize", false],
    ["capturable", false],
    ["differentiable", false],
    ["fused", null],
    ["initial_lr", new SavedFloat(lr)],
    ["params", trained.map((_, index) => index)],
  ]);
  return new Map<string, SavedValue>([["state", new Map(state)], ["param_groups", [group]]]);
}

/** Like `LambdaLR.state_dict()`. */
function savedScheduler(step: number, { lr, nextLr }: OptimiserNumbers): SavedValue {
  return new Map<string, SavedValue>([
    ["base_lrs", [new SavedFloat(lr)]],
    ["last_epoch", step],
    ["verbose", false],
    ["_step_count", step + 1],
    ["_get_lr_called_within_step", false],
    ["_last_lr", [new SavedFloat(nextLr)]],
    ["lr_lambdas", [new Map<string, SavedValue>()]],
  ]);
}

/** A loaded checkpoint. */
export interface LoadedCheckpoint {
  readonly path: string;
  readonly state: TrainState;
  /** Absent in a checkpoint of the released trainer, which begins a new epoch. */
  readonly extras: CheckpointExtras | undefined;
}

/**
 * Reads a checkpoint of `far train` or of the released trainer.
 * @param shapes of the model's parameters
 * @throws {CheckpointError} a file is missing or malformed, or it belongs to another model
 */
export async function loadCheckpoint(path: string, shapes: Shapes): Promise<LoadedCheckpoint> {
  const step = stepOf(path);
  const parameters = await readWeights(join(path, WEIGHTS), shapes);
  const names = ordered(parameters.keys(), shapes);
  const record = await isFile(join(path, EXTRAS)) ? await readJson(join(path, EXTRAS)) : undefined;
  const trained = Array.isArray(record?.trained) ? record.trained.map(String) : names;
  const moments = await readMoments(join(path, "optimizer.bin"), trained, parameters);
  using states = await TorchValues.open(join(path, "random_states_0.pkl"));
  const random = await readRandomStates(states);
  const average = join(path, "ema.pth");
  const ema = await isFile(average) ? await readWeights(average, undefined) : undefined;
  const lossScale = record?.lossScale as LossScaleState | null | undefined;
  const discriminator = await readDiscriminator(path, record?.discriminator === true);
  return {
    path,
    state: {
      ...{ step, parameters, ...moments, ema, random },
      ...(lossScale && { lossScale }),
      ...(discriminator && { discriminator }),
    },
    extras: record && { position: Number(record.position) },
  };
}

/**
 * Refuses what `loadCheckpoint` would, as far as its name and the shapes of its weights tell.
 * @throws {CheckpointError} no checkpoint, or one of another model
 */
export async function checkCheckpoint(path: string, shapes: Shapes): Promise<void> {
  stepOf(path);
  using file = await SafetensorsFile.open(join(path, WEIGHTS));
  checkShapes(file, shapes);
}

/** Steps that a checkpoint has seen. */
function stepOf(path: string): number {
  const name = basename(path);
  const step = Number((OURS.exec(name) ?? RELEASED.exec(name))?.[1] ?? NaN);
  if (Number.isSafeInteger(step)) return step;
  throw new CheckpointError(
    `Cannot continue from ${quote(path)}: its name is neither step-N nor checkpoint-N`,
    { file: path, reason: "NotCheckpoint" },
  );
}

/** @param expected whether it must be there @throws {CheckpointError} */
async function readDiscriminator(
  folder: string,
  expected: boolean,
): Promise<DiscriminatorState | undefined> {
  const path = join(folder, `model${SECOND}.safetensors`);
  if (!expected && !await isFile(path)) return undefined;
  using file = await SafetensorsFile.open(path);
  const names = moduleOrder([...file.tensors.keys()]);
  const shapes = new Map(names.map((name) => [name, file.tensors.get(name)!.shape]));
  const parameters = new Map<string, Float32Array>();
  for (const name of names) parameters.set(name, await readFloats(file, name));
  const trained = names.filter((name) => /\.(weight|bias)$/.test(name));
  const optimiser = join(folder, `optimizer${SECOND}.bin`);
  const step = await readSteps(optimiser);
  if (step === undefined && !expected) return undefined; // it was not trained yet
  const moments = await readMoments(optimiser, trained, parameters);
  return { step: step ?? 0, shapes, parameters, ...moments };
}

/** Steps that an optimiser took; undefined if it has no state. */
async function readSteps(path: string): Promise<number | undefined> {
  using file = await TorchValues.open(path);
  const state = file.at("state");
  if (state instanceof PickleDict && state.entries.size === 0) return undefined;
  return new Float32Array((await file.tensor("state", 0, "step")).buffer)[0]!;
}

async function readWeights(
  path: string,
  shapes: Shapes | undefined,
): Promise<Map<string, Float32Array>> {
  using file = path.endsWith(".safetensors")
    ? await SafetensorsFile.open(path)
    : await PthFile.open(path);
  checkShapes(file, shapes ?? new Map());
  const values = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) values.set(name, await readFloats(file, name));
  return values;
}

function checkShapes({ path, tensors }: SafetensorsFile | PthFile, shapes: Shapes): void {
  const missing = [...shapes.keys()].filter((name) => !tensors.has(name));
  const misshaped = [...shapes].filter(([name, shape]) =>
    tensors.has(name) && tensors.get(name)!.shape.join() !== shape.join()
  ).map(([name]) => name);
  if (missing.length + misshaped.length === 0) return;
  throw new CheckpointError(
    `Cannot continue from ${quote(path)}: it belongs to another model; ` +
      `${quote((missing[0] ?? misshaped[0])!)} is ${missing[0] ? "missing" : "of another shape"}`,
    { file: path, reason: "NamesAndShapes", missing, misshaped },
  );
}

/** Moments, in the order of the trained parameters. */
async function readMoments(
  path: string,
  trained: readonly string[],
  parameters: ReadonlyMap<string, Float32Array>,
): Promise<Pick<TrainState, "expAvg" | "expAvgSq">> {
  using file = await TorchValues.open(path);
  const count = file.numbers("param_groups", 0, "params").length;
  if (count !== trained.length) {
    throw new CheckpointError(
      `Cannot continue from ${
        quote(path)
      }: it has ${count} parameters, but the model has ${trained.length}`,
      { file: path, reason: "NamesAndShapes" },
    );
  }
  const expAvg = new Map<string, Float32Array>();
  const expAvgSq = new Map<string, Float32Array>();
  for (const [index, name] of trained.entries()) {
    for (const [kind, into] of [["exp_avg", expAvg], ["exp_avg_sq", expAvgSq]] as const) {
      const values = new Float32Array((await file.tensor("state", index, kind)).buffer);
      if (values.length !== parameters.get(name)?.length) {
        throw new CheckpointError(
          `Cannot continue from ${quote(path)}: the moments of ${quote(name)} have another size`,
          { file: path, reason: "NamesAndShapes", misshaped: [name] },
        );
      }
      into.set(name, values);
    }
  }
  return { expAvg, expAvgSq };
}

/** Steps of the checkpoints in a run's folder, ascending. Leftovers of a killed run are removed. */
export async function checkpointSteps(run: string): Promise<number[]> {
  const names = await checkpointNames(run);
  for (const name of names.filter((name) => name.endsWith(".partial"))) {
    await Deno.remove(join(run, CHECKPOINTS, name), { recursive: true });
  }
  return stepsOf(names);
}

/** The newest checkpoint in a run's folder, in which another process may be training. */
export async function newestCheckpoint(run: string): Promise<string | undefined> {
  const step = stepsOf(await checkpointNames(run)).at(-1);
  return step === undefined ? undefined : checkpointPath(run, step);
}

async function checkpointNames(run: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(run, CHECKPOINTS))).catch(() => []);
  return entries.map(({ name }) => name);
}

function stepsOf(names: readonly string[]): number[] {
  const steps = names.flatMap((name) => OURS.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => a - b);
}

/** Removes all but the newest checkpoints. */
export async function pruneCheckpoints(run: string, keep: number): Promise<void> {
  const steps = await checkpointSteps(run);
  for (const step of steps.slice(0, Math.max(0, steps.length - keep))) {
    await removeCheckpoint(run, step);
  }
}

/**
 * Removes a checkpoint, if it exists. It is renamed first, so that a kill leaves no partial one.
 */
async function removeCheckpoint(run: string, step: number): Promise<void> {
  const parent = join(run, CHECKPOINTS);
  const gone = join(parent, `.step-${step}.gone.partial`);
  try {
    await Deno.rename(join(parent, `step-${step}`), gone);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw unwritable(parent, error);
  }
  await Deno.remove(gone, { recursive: true });
}
