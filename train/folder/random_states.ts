/** Random states in the forms in which PyTorch and Python save them. */
import { CheckpointError } from "../../files/errors.ts";
import { SavedFloat, SavedTuple, type SavedValue } from "../../weights/torch_writer.ts";
import type { TorchValues } from "../../weights/torch_values.ts";
import type { RandomState } from "../settings.ts";

const WORDS = 624;
/** CPUGeneratorImplState of PyTorch 2.5.1, aten/src/ATen/CPUGeneratorImpl.cpp. */
const STATE_BYTES = 5056;
const AT = { left: 8, seeded: 12, next: 16, words: 24, normal: 24 + 8 * WORDS + 8, valid: 5040 };

/** `random_states_0.pkl` as accelerate writes it, numpy's as a plain tuple. */
export function savedRandomStates(step: number, { torch, python }: RandomState): SavedValue {
  const normal = python.cachedNormal;
  return new Map<string, SavedValue>([
    ["step", step],
    [
      "random_state",
      new SavedTuple([
        3,
        new SavedTuple([...python.words, python.index]),
        normal === undefined ? null : new SavedFloat(normal),
      ]),
    ],
    [
      // nothing draws from numpy here, so any state would do
      "numpy_random_seed",
      new SavedTuple([
        "MT19937",
        new SavedTuple([...torch.words]),
        WORDS,
        0,
        new SavedFloat(0),
      ]),
    ],
    [
      "torch_manual_seed",
      { tensor: { dtype: "U8", shape: [STATE_BYTES], data: torchState(torch) } },
    ],
    ["torch_cuda_manual_seed", []],
  ]);
}

/** The result of `torch.get_rng_state()` for this state. */
export function torchState({ words, index, cachedNormal }: RandomState["torch"]): Uint8Array {
  const bytes = new Uint8Array(STATE_BYTES);
  const view = new DataView(bytes.buffer);
  // `left` counts down to the next twist; a fresh generator has 1 left and begins at word 0
  view.setInt32(AT.left, index === WORDS ? 1 : WORDS + 1 - index, true);
  view.setInt32(AT.seeded, 1, true);
  view.setBigUint64(AT.next, BigInt(index === WORDS ? 0 : index), true);
  words.forEach((word, i) => view.setBigUint64(AT.words + 8 * i, BigInt(word), true));
  if (cachedNormal !== undefined) {
    view.setFloat64(AT.normal, cachedNormal, true);
    view.setInt32(AT.valid, 1, true);
  }
  return bytes;
}

/** Reads `random_states_0.pkl`. @throws {CheckpointError} it has no such states */
export async function readRandomStates(file: TorchValues): Promise<RandomState> {
  const python = file.numbers("random_state", 1);
  const normal = file.at("random_state", 2);
  const bytes = await file.tensor("torch_manual_seed");
  if (python.length !== WORDS + 1 || bytes.length !== STATE_BYTES) {
    throw new CheckpointError("Cannot read random states: they belong to another generator", {
      reason: "NotCheckpoint",
    });
  }
  return {
    torch: readTorchState(bytes),
    python: {
      words: Uint32Array.from(python.slice(0, WORDS)),
      index: python[WORDS]!,
      cachedNormal: typeof normal === "number" ? normal : undefined,
    },
  };
}

function readTorchState(bytes: Uint8Array<ArrayBuffer>): RandomState["torch"] {
  const view = new DataView(bytes.buffer);
  const left = view.getInt32(AT.left, true);
  const next = Number(view.getBigUint64(AT.next, true));
  return {
    words: Uint32Array.from({ length: WORDS }, (_, i) => view.getUint32(AT.words + 8 * i, true)),
    index: left === 1 ? WORDS : next,
    cachedNormal: view.getInt32(AT.valid, true) ? view.getFloat64(AT.normal, true) : undefined,
  };
}
