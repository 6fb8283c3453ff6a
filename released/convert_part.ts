/** Rewrites the weights of one part of a model as safetensors, piece by piece. */
import type { Shapes } from "./architecture.ts";
import {
  cast,
  type CastPolicy,
  type CastReport,
  checkCast,
  emptyReport,
  type FloatDtype,
  isFloat,
} from "../weights/cast.ts";
import { type Checkpoint, isBatchCount } from "../weights/checkpoint.ts";
import { CheckpointError, quote, shapeText } from "../files/errors.ts";
import { createHash } from "node:crypto";
import type { ByteSink } from "../files/byte_sink.ts";
import { AtomicFile } from "../files/atomic_file.ts";
import { recognise } from "./recognise.ts";
import { type SafetensorsEntry, writeSafetensors } from "../weights/safetensors_writer.ts";
import { type Dtype, DTYPE_BITS, elements, type TensorInfo } from "../weights/tensor_file.ts";

/** Type in which floats are written; `keep` leaves F16, BF16 and F32, and turns F64 into F32. */
export type TargetDtype = "keep" | "f32" | "f16" | "bf16";

/** What was written, and the errors of casting. */
export interface PartReport {
  /** Bytes of the written file. */
  readonly bytes: number;
  /** Hash of the written file, in hex. */
  readonly sha256: string;
  /** Tensors written. */
  readonly tensors: number;
  /** Values in all tensors. */
  readonly parameters: number;
  /** Tensors by type in the source. */
  readonly from: Partial<Record<Dtype, number>>;
  /** Tensors by type as written. */
  readonly to: Partial<Record<Dtype, number>>;
  /** The tensor with the largest rounding error, that error and its largest value, if any. */
  readonly rounding: { name: string; error: number; largestValue: number } | undefined;
  /** NaN and infinities that were allowed. */
  readonly nonFinite: number;
}

/** How a part is converted. */
export interface PartOptions extends CastPolicy {
  readonly dtype?: TargetDtype;
  /** Called with bytes of the source done and in total. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Bytes of the source in memory at a time. */
const PIECE = 4 * 1024 * 1024;

/**
 * Checks names and shapes and reports all mismatches at once.
 * @throws {CheckpointError} NamesAndShapes, says what the checkpoint seems to be instead
 */
export function checkPart(checkpoint: Checkpoint, shapes: Shapes): void {
  try {
    for (const [name, shape] of shapes) checkpoint.expect(name, shape);
    checkpoint.finish(isBatchCount);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    const all = checkpoint.names.map((name) => [name, checkpoint.info(name)!.shape] as const);
    const found = recognise(new Map(all));
    if (!found) throw error;
    const what = found.name ?? (found.config._class_name as string);
    throw new CheckpointError(`${error.message}; its weights look like ${what}`, error);
  }
}

/**
 * Writes a part to `path` as safetensors.
 * @param shapes names and shapes of the parameters; the counters of batch norms are added
 * @throws {CheckpointError} names, shapes, types or values do not fit, or the disk fails
 */
export async function convertPart(
  checkpoint: Checkpoint,
  shapes: Shapes,
  path: string,
  options: PartOptions = {},
): Promise<PartReport> {
  checkPart(checkpoint, shapes);
  const tally = new Tally(options.onProgress, sourceBytes(checkpoint, shapes));
  const entries = [
    ...[...shapes.keys()].map((name) => parameter(checkpoint, name, options, tally)),
    ...await batchCounts(checkpoint, shapes),
  ];
  await using sink = await AtomicFile.create(path);
  // The official tools look for "pt" in the metadata.
  const hash = createHash("sha256");
  const hashing: ByteSink = {
    write(bytes) {
      hash.update(bytes);
      return sink.write(bytes);
    },
  };
  const bytes = await writeSafetensors(hashing, entries, { format: "pt" });
  await sink.commit();
  const to: Partial<Record<Dtype, number>> = {};
  for (const { dtype } of entries) to[dtype] = (to[dtype] ?? 0) + 1;
  const parameters = entries.reduce((sum, { shape }) => sum + elements(shape), 0);
  const { from, rounding, nonFinite } = tally;
  const sha256 = hash.digest("hex");
  return { bytes, sha256, tensors: entries.length, parameters, from, to, rounding, nonFinite };
}

/** Totals over the tensors of a part. */
class Tally {
  readonly from: Partial<Record<Dtype, number>> = {};
  rounding: PartReport["rounding"];
  nonFinite = 0;
  #done = 0;
  readonly #total: number;
  readonly #onProgress: (done: number, total: number) => void;

  constructor(onProgress: PartOptions["onProgress"], total: number) {
    this.#onProgress = onProgress ?? (() => {});
    this.#total = total;
  }

  advance(bytes: number): void {
    this.#done += bytes;
    this.#onProgress(this.#done, this.#total);
  }

  add({ name, dtype }: TensorInfo, report: CastReport): void {
    this.from[dtype] = (this.from[dtype] ?? 0) + 1;
    this.nonFinite += report.nonFinite;
    const { largestError, largestValue } = report;
    if (largestError > (this.rounding?.error ?? 0)) {
      this.rounding = { name, error: largestError, largestValue };
    }
  }
}

/** Bytes that will be read. */
export function sourceBytes(checkpoint: Checkpoint, shapes: Shapes): number {
  return [...shapes.keys()].reduce((sum, name) => sum + (checkpoint.info(name)?.bytes ?? 0), 0);
}

/** The type in which a tensor of floats is written. */
function targetDtype(from: Dtype, dtype: TargetDtype = "keep"): FloatDtype {
  if (dtype !== "keep") return dtype.toUpperCase() as FloatDtype;
  return from === "F16" || from === "BF16" ? from : "F32";
}

function parameter(
  checkpoint: Checkpoint,
  name: string,
  options: PartOptions,
  tally: Tally,
): SafetensorsEntry {
  const info = checkpoint.info(name)!;
  if (!isFloat(info.dtype)) {
    throw new CheckpointError(`Cannot convert ${quote(name)}: it holds ${info.dtype}, not floats`, {
      file: checkpoint.path,
      reason: "WrongDtype",
    });
  }
  const to = targetDtype(checkpoint.storedDtype(name)!, options.dtype);
  async function* data() {
    const report = emptyReport();
    const buffer = new Uint8Array(Math.min(PIECE, info.bytes)); // each piece is written before the next
    for (let at = 0; at < info.bytes; at += PIECE) {
      options.signal?.throwIfAborted();
      const piece = buffer.subarray(0, info.bytes - at);
      yield cast(await checkpoint.readRange(info, at, piece.length, piece), info.dtype, to, report);
      tally.advance(piece.length);
    }
    checkCast(name, to, report, options);
    tally.add(info, report);
  }
  return { name, dtype: to, shape: info.shape, data };
}

/**
 * The counters of batch norms. Nothing uses them, but the released classes require them; a
 * checkpoint without them (a half-precision copy) gets zeros.
 */
async function batchCounts(checkpoint: Checkpoint, shapes: Shapes): Promise<SafetensorsEntry[]> {
  const end = ".running_mean";
  const entries: SafetensorsEntry[] = [];
  for (const mean of shapes.keys()) {
    if (!mean.endsWith(end)) continue;
    const name = `${mean.slice(0, -end.length)}.num_batches_tracked`;
    const info = checkpoint.info(name);
    if (info && (info.dtype !== "I64" || info.shape.length)) {
      throw new CheckpointError(
        `Cannot convert ${quote(name)}: it is ${info.dtype} ${shapeText(info.shape)}, not one I64`,
        { file: checkpoint.path, reason: "WrongDtype" },
      );
    }
    const data = info ? await checkpoint.read(info) : new Uint8Array(8);
    entries.push({ name, dtype: "I64", shape: [], data });
  }
  return entries;
}

/** Bytes of the written file, without its header. */
export function targetBytes(checkpoint: Checkpoint, shapes: Shapes, dtype?: TargetDtype): number {
  let bytes = 0;
  for (const [name, shape] of shapes) {
    const from = checkpoint.storedDtype(name) ?? "F32";
    bytes += elements(shape) * DTYPE_BITS[targetDtype(from, dtype)] / 8;
  }
  return bytes;
}
