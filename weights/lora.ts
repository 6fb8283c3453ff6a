import { bytesOf } from "../files/bytes.ts";
import { CheckpointError, quote, quoteSome, shapeText } from "../files/errors.ts";
import type { Checkpoint, TensorReader } from "./checkpoint.ts";
import { toFloats } from "./floats.ts";
import { type Adapter, LoraFile } from "./lora_file.ts";
import type { ModelFolder } from "./model_folder.ts";
import { checkRange, DTYPE_BITS, elements, type TensorInfo } from "./tensor_file.ts";

/** Adapters to add to a model's weights. */
export interface LoraOptions {
  /** .safetensors in the layout of peft or diffusers, or a folder with one. */
  readonly path: string;
  /** Factor of the adapters (1). */
  readonly scale?: number;
}

const F32_BYTES = 4;

/** A model whose transformer gets adapters merged as its weights are read. */
export function withLora(folder: ModelFolder, { path, scale }: LoraOptions): ModelFolder {
  const open = async () => {
    const lora = await LoraFile.open(path);
    try {
      return addLora(await folder.transformer.open(), lora, scale);
    } catch (error) {
      lora.close();
      throw error;
    }
  };
  return { ...folder, transformer: { ...folder.transformer, open } };
}

/**
 * A checkpoint with adapters merged as its weights are read: W + scale B A, as F32. Closing it
 * closes both files.
 * @throws {CheckpointError} the checkpoint lacks a layer of the adapters, or has other sizes
 * Source: Hu et al. 2021, LoRA, equation 3
 */
export function addLora(checkpoint: Checkpoint, lora: LoraFile, scale = 1): Checkpoint {
  const unknown = [...lora.adapters.keys()].filter((layer) => !checkpoint.has(`${layer}.weight`));
  if (unknown.length > 0) {
    throw new CheckpointError(
      `Cannot use ${quote(lora.path)} with ${quote(checkpoint.path)}: ${unknown.length} of its ` +
        `${lora.adapters.size} layers are not in the model: ${quoteSome(unknown, 3)}`,
      { file: lora.path, reason: "NamesAndShapes", unexpected: unknown },
    );
  }
  const replaced = new Map<string, { info: TensorInfo; reader: TensorReader }>();
  for (const [layer, adapter] of lora.adapters) {
    const base = checkpoint.info(`${layer}.weight`)!;
    checkFit(lora, layer, adapter, base);
    const info: TensorInfo = { ...base, dtype: "F32", bytes: F32_BYTES * elements(base.shape) };
    const reader = adaptedTensor(checkpoint, base, info, { lora, adapter, scale });
    replaced.set(base.name, { info, reader });
  }
  return checkpoint.replace(replaced, lora);
}

function checkFit({ path }: LoraFile, layer: string, { a, b }: Adapter, { shape }: TensorInfo) {
  const [rows, columns] = shape;
  if (shape.length === 2 && b.shape[0] === rows && a.shape[1] === columns) return;
  const fits = `B ${shapeText(b.shape)} times A ${shapeText(a.shape)}`;
  throw new CheckpointError(
    `Cannot use ${quote(path)}: ${quote(layer)} is ${fits}, but the model's weight is ` +
      shapeText(shape),
    { file: path, reason: "NamesAndShapes", misshaped: [layer] },
  );
}

/** A weight with its adapter, read by range. @param info of the sum, which is F32 */
function adaptedTensor(
  checkpoint: Checkpoint,
  stored: TensorInfo,
  info: TensorInfo,
  { lora, adapter, scale }: { lora: LoraFile; adapter: Adapter; scale: number },
): TensorReader {
  const readRange: TensorReader["readRange"] = async (_, start, bytes, into) => {
    const target = checkRange(info, start, bytes, into);
    const [first, count] = [start / F32_BYTES, bytes / F32_BYTES];
    const size = DTYPE_BITS[stored.dtype] / 8;
    const raw = await checkpoint.readRange(stored, first * size, count * size);
    const weights = toFloats(raw, stored.dtype, stored.name);
    const { a, b } = await lora.read(adapter);
    addProduct(weights, first, { a, b, rank: adapter.rank, scale: scale * adapter.scale });
    target.set(bytesOf(weights));
    return target;
  };
  return { read: (_, into) => readRange(info, 0, info.bytes, into), readRange };
}

/** Factors of the product that is added to a weight. */
export interface LowRank {
  /** [rank, columns] */
  readonly a: Float32Array;
  /** [rows, rank] */
  readonly b: Float32Array;
  readonly rank: number;
  readonly scale: number;
}

/**
 * Adds scale B A to a weight [rows, columns] in place; sums are rounded once.
 * @param weights elements of the weight from `first` on, row by row
 */
export function addProduct(weights: Float32Array, first: number, factors: LowRank): void {
  const { a, b, rank, scale } = factors;
  const columns = a.length / rank;
  const sums = new Float64Array(columns);
  for (let at = 0; at < weights.length;) {
    const row = Math.floor((first + at) / columns);
    const column = (first + at) % columns;
    const count = Math.min(columns - column, weights.length - at);
    sums.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[row * rank + r]!;
      const from = r * columns + column;
      for (let i = 0; i < count; i++) sums[i]! += factor * a[from + i]!;
    }
    for (let i = 0; i < count; i++) weights[at + i]! += sums[i]!;
    at += count;
  }
}
