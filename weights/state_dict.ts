/** Finds the state dict in what a checkpoint holds: by itself, nested, prefixed, or as EMA copy. */
import { CheckpointError, quote, quoteSome } from "../files/errors.ts";
import { PickleDict, type PickleValue } from "./pickle.ts";
import { TorchTensor } from "./torch_pickle.ts";

/** Named tensors found in a checkpoint. */
export interface StateDict {
  /** Keys that lead to it, joined by points; empty if it is the whole. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  /** Keys beside the tensors that hold something else. */
  readonly others: readonly string[];
}

/** Which state dict of a checkpoint is meant. */
export interface StateDictChoice {
  /** Path of the dict, such as `model` or `ema.shadow`; the best is chosen if left out. */
  readonly key?: string;
  /** Whether an averaged copy is preferred over the model itself (true). */
  readonly ema?: boolean;
}

const DEEPEST = 3;
const EMA = /(^|[._])ema([._]|$)|(^|[._])shadow([._]|$)/i;
/**
 * Keys that trainers keep the model under, the likeliest first. The whole comes last: where it has
 * one of the others in it, the tensors beside that are something else (the state of a generator).
 */
const USUAL = [
  "state_dict",
  "model_state_dict",
  "model",
  "params",
  "module",
  "net",
  "generator",
  "",
];
/** Put before every name by wrappers of a model. */
const PREFIXES = ["module.", "_orig_mod.", "shadow."];
/** torch.optim.swa_utils.AveragedModel counts there, beside names that begin with "module." */
const COUNTER = "n_averaged";

/** All dicts of named tensors in a checkpoint, outermost first. */
export function collectStateDicts(value: PickleValue): StateDict[] {
  const found: StateDict[] = [];
  const seen = new Set<PickleDict>();
  let level: [path: string, dict: PickleDict][] = value instanceof PickleDict ? [["", value]] : [];
  for (let depth = 0; depth <= DEEPEST && level.length; depth++) {
    const next: typeof level = [];
    for (const [path, dict] of level) {
      if (seen.has(dict)) continue;
      seen.add(dict);
      const state = readDict(path, dict);
      if (state.tensors.size) found.push(state);
      for (const [key, item] of dict.entries) {
        if (typeof key === "string" && item instanceof PickleDict) {
          next.push([path === "" ? key : `${path}.${key}`, item]);
        }
      }
    }
    level = next;
  }
  return found;
}

function readDict(path: string, dict: PickleDict): StateDict {
  const tensors = new Map<string, TorchTensor>();
  const others: string[] = [];
  for (const [key, item] of dict.entries) {
    if (item instanceof TorchTensor && typeof key === "string") tensors.set(key, item);
    else others.push(String(key));
  }
  return { path, tensors, others };
}

/**
 * Chooses the model's state dict. An averaged copy that lacks buffers gets them from the model.
 * @throws {CheckpointError} there is none, or it isn't clear which
 */
export function chooseStateDict(
  dicts: readonly StateDict[],
  { key, ema = true }: StateDictChoice = {},
): StateDict {
  if (dicts.length === 0) refuse("it holds no named tensors");
  if (key !== undefined) {
    const named = dicts.find(({ path }) => path === key);
    return stripped(named ?? refuse(`it has no state dict ${quote(key)}, but ${listed(dicts)}`));
  }
  const plain = dicts.filter(({ path }) => !EMA.test(path));
  const averaged = dicts.filter(({ path }) => EMA.test(path));
  const model = USUAL.map((usual) => plain.find(({ path }) => path === usual))
    .find((found) => found) ?? (plain.length === 1 ? plain[0] : undefined);
  if (ema && averaged.length === 1) return withBuffers(stripped(averaged[0]!), model);
  if (model && (!ema || averaged.length === 0)) return stripped(model);
  if (!model && averaged.length === 1) return stripped(averaged[0]!);
  refuse(`it is not clear which of its state dicts is meant: ${listed(dicts)}`);
}

/** Trainers average parameters alone; what else a model has (statistics of norms) is its own. */
function withBuffers(averaged: StateDict, model: StateDict | undefined): StateDict {
  if (!model) return averaged;
  const own = stripped(model).tensors;
  const related = [...averaged.tensors.keys()].every((name) => own.has(name));
  if (!related) return averaged;
  return { ...averaged, tensors: new Map([...own, ...averaged.tensors]) };
}

function stripped(state: StateDict): StateDict {
  let { tensors } = state;
  for (const prefix of [...PREFIXES, ...PREFIXES]) {
    const named = [...tensors].filter(([name]) => name !== COUNTER);
    if (!named.every(([name]) => name.startsWith(prefix) && name.length > prefix.length)) continue;
    tensors = new Map(named.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  }
  return { ...state, tensors };
}

function listed(dicts: readonly StateDict[]): string {
  return quoteSome(dicts.map(({ path }) => path));
}

function refuse(why: string): never {
  throw new CheckpointError(why, { reason: "NotCheckpoint" });
}
