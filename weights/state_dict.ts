/** Finds the state dict in a checkpoint: alone, nested, prefixed, or as an EMA copy. */
import { CheckpointError, quote, quoteSome } from "../files/errors.ts";
import { PickleDict, PickleUnread, type PickleValue } from "./pickle.ts";
import { TorchTensor } from "./torch_pickle.ts";
import { unwrappedNames } from "./wrapped_names.ts";

/** Named tensors found in a checkpoint. */
export interface StateDict {
  /** Keys that lead to it, joined by points; empty if it is the whole. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  /** Keys besides the tensors with something else. */
  readonly others: readonly string[];
  /** Why values of these keys cannot be read. */
  readonly unread: ReadonlyMap<string, string>;
  /** Wrappers that were removed from the names, such as `module.` */
  readonly wrappers: readonly string[];
}

/** Which state dict of a checkpoint to use. */
export interface StateDictChoice {
  /** Path of the dict, such as `model` or `ema.shadow`; by default the best is chosen. */
  readonly key?: string;
  /** Whether an averaged copy is preferred over the model itself (true). */
  readonly ema?: boolean;
}

const DEEPEST = 3;
const EMA = /(^|[._])ema([._]|$)|(^|[._])shadow([._]|$)/i;
/**
 * Keys under which trainers store the model, the likeliest first. The whole comes last: if it
 * contains one of the others, its own tensors are something else (the state of a generator).
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
const SAVE_ALONE = "save only its state_dict()";
/** What to do about values that PyTorch can turn into plain tensors. */
const REMEDIES: readonly (readonly [name: RegExp, remedy: string])[] = [
  [/_rebuild_sparse/, "a sparse tensor: save it after .to_dense()"],
  [/_rebuild_qtensor|\bQU?Int/, "a quantized tensor: save it after .dequantize()"],
  [/_rebuild_nested/, "a nested tensor: save it after .to_padded_tensor()"],
  [/_rebuild_meta/, "a tensor without values, from the meta device: load its weights first"],
  [/conjugate/, "a view: save it after .resolve_conj() and .resolve_neg()"],
  [/^numpy\./, "an array of numpy: save it after torch.from_numpy()"],
];

/** Why a value was not read, and what helps. */
function whyUnread({ name }: PickleUnread): string {
  const remedy = REMEDIES.find(([pattern]) => pattern.test(name))?.[1] ?? SAVE_ALONE;
  return `it asks for ${quote(name)}, which was not run; ${remedy}`;
}

/** All dicts of named tensors in a checkpoint, outermost first. */
export function collectStateDicts(value: PickleValue): StateDict[] {
  if (value instanceof PickleUnread) {
    throw new CheckpointError(`it contains no named tensors: ${whyUnread(value)}`, {
      reason: "RefusedGlobal",
    });
  }
  const found: StateDict[] = [];
  const seen = new Set<PickleDict>();
  let unread: string | undefined;
  let level: [path: string, dict: PickleDict][] = value instanceof PickleDict ? [["", value]] : [];
  for (let depth = 0; depth <= DEEPEST && level.length; depth++) {
    const next: typeof level = [];
    for (const [path, dict] of level) {
      if (seen.has(dict)) continue;
      seen.add(dict);
      const state = readDict(path, dict);
      if (state.tensors.size) found.push(state);
      else unread ??= state.unread.values().next().value;
      for (const [key, item] of dict.entries) {
        if (typeof key === "string" && item instanceof PickleDict) {
          next.push([path === "" ? key : `${path}.${key}`, item]);
        }
      }
    }
    level = next;
  }
  if (found.length === 0 && unread !== undefined) {
    throw new CheckpointError(`it contains no named tensors that can be read: ${unread}`, {
      reason: "RefusedGlobal",
    });
  }
  return found;
}

function readDict(path: string, dict: PickleDict): StateDict {
  const tensors = new Map<string, TorchTensor>();
  const unread = new Map<string, string>();
  const others: string[] = [];
  for (const [key, item] of dict.entries) {
    if (item instanceof TorchTensor && typeof key === "string") tensors.set(key, item);
    else if (typeof key === "string" || typeof key === "number") others.push(String(key));
    if (item instanceof PickleUnread && typeof key === "string") unread.set(key, whyUnread(item));
  }
  return { path, tensors, others, unread, wrappers: [] };
}

/**
 * Chooses the model's state dict. An averaged copy that lacks buffers gets them from the model.
 * @throws {CheckpointError} there is none, or it isn't clear which
 */
export function chooseStateDict(
  dicts: readonly StateDict[],
  { key, ema = true }: StateDictChoice = {},
): StateDict {
  if (dicts.length === 0) refuse("it contains no named tensors");
  if (key !== undefined) {
    const named = dicts.find(({ path }) => path === key);
    return stripped(
      named ?? refuse(`it has no state dict ${quote(key)}, but ${listed(dicts)}`),
      ema,
    );
  }
  const plain = dicts.filter(({ path }) => !EMA.test(path));
  const averaged = dicts.filter(({ path }) => EMA.test(path));
  const model = USUAL.map((usual) => plain.find(({ path }) => path === usual))
    .find((found) => found) ?? (plain.length === 1 ? plain[0] : undefined);
  if (ema && averaged.length === 1) return withBuffers(stripped(averaged[0]!, ema), model);
  if (model && (!ema || averaged.length === 0)) return stripped(model, ema);
  if (!model && averaged.length === 1) return stripped(averaged[0]!, ema);
  refuse(`it has several state dicts, name one: ${listed(dicts)}`);
}

/**
 * Trainers average only parameters; other tensors of a model (statistics of norms) are taken from
 * it.
 */
function withBuffers(averaged: StateDict, model: StateDict | undefined): StateDict {
  if (!model) return averaged;
  const own = stripped(model, true).tensors;
  const related = [...averaged.tensors.keys()].every((name) => own.has(name));
  if (!related) return averaged;
  return { ...averaged, tensors: new Map([...own, ...averaged.tensors]) };
}

function stripped(state: StateDict, ema: boolean): StateDict {
  const { names, wrappers, unwrap } = unwrappedNames([...state.tensors.keys()], ema);
  const tensors = new Map([...names].map(([name, own]) => [own, state.tensors.get(name)!]));
  const unread = new Map([...state.unread].map(([name, why]) => [unwrap(name), why]));
  return { ...state, tensors, unread, wrappers };
}

function listed(dicts: readonly StateDict[]): string {
  return quoteSome(dicts.map(({ path }) => path));
}

function refuse(why: string): never {
  throw new CheckpointError(why, { reason: "NotCheckpoint" });
}
