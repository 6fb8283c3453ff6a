import { join } from "node:path";
import { FileSource, isFile, isFolder } from "../files/file_source.ts";
import { Checkpoint } from "./checkpoint.ts";
import { findWeights, openCheckpoint } from "./open_checkpoint.ts";
import { quote } from "../files/errors.ts";
import { PthFile } from "./pth.ts";
import { SafetensorsFile } from "./safetensors.ts";
import type { StateDictChoice } from "./state_dict.ts";
import { isZip } from "../files/zip.ts";

/** Weights of any supported format. */
export interface OpenWeights {
  /** The tensors. */
  readonly checkpoint: Checkpoint;
  /** The file that was opened. */
  readonly file: string;
  /** Detected format. */
  readonly format: "safetensors" | "safetensors (shards)" | "pth (zip)" | "pth (legacy)";
  /** Metadata of a safetensors file. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Notes on which weights these are. */
  readonly notes: readonly string[];
}

/** Files that FAR's trainer writes into a checkpoint folder, the averaged copy first. */
const AVERAGED = ["ema.pth"];
/** Most unread values that notes list by name. */
const MOST_UNREAD = 3;
const PLAIN = ["model.safetensors", "pytorch_model.bin"];

/**
 * Opens weights by content: safetensors, an index of shards, a PyTorch checkpoint, or a folder
 * with one of them (a part of a model folder, or a checkpoint folder of FAR's trainer).
 * @throws {CheckpointError}
 */
export async function openWeights(
  path: string,
  choice: StateDictChoice = {},
): Promise<OpenWeights> {
  const file = await fileOf(path, choice);
  const notes: string[] = [];
  if (file.endsWith(".json")) {
    const checkpoint = await openCheckpoint(file, choice.ema);
    notes.push(...wrapperNotes(checkpoint));
    return { checkpoint, file, format: "safetensors (shards)", metadata: new Map(), notes };
  }
  if (!await isPickled(file)) {
    const opened = await SafetensorsFile.open(file);
    const { metadata } = opened;
    const checkpoint = Checkpoint.from(opened, choice.ema);
    notes.push(...wrapperNotes(checkpoint));
    return { checkpoint, file, format: "safetensors", metadata, notes };
  }
  const pth = await PthFile.open(file, choice);
  if (pth.stateDict !== "") notes.push(`took its state dict ${quote(pth.stateDict)}`);
  if (pth.stateDicts.length > 1) {
    notes.push(`it has the state dicts ${pth.stateDicts.map(quote).join(", ")}`);
  }
  notes.push(...wrapperNotes(pth));
  for (const [name, why] of [...pth.unread].slice(0, MOST_UNREAD)) {
    notes.push(`left ${quote(name)} unread: ${why}`);
  }
  const { metadata } = pth;
  return { checkpoint: Checkpoint.from(pth), file, format: `pth (${pth.format})`, metadata, notes };
}

function wrapperNotes({ wrappers }: { wrappers: readonly string[] }): string[] {
  return wrappers.length ? [`took ${wrappers.map(quote).join(" and ")} off its names`] : [];
}

async function fileOf(path: string, { ema = true }: StateDictChoice): Promise<string> {
  if (!await isFolder(path)) return path;
  for (const name of ema ? [...AVERAGED, ...PLAIN] : PLAIN) {
    const file = join(path, name);
    if (await isFile(file)) return file;
  }
  return await findWeights(path);
}

async function isPickled(path: string): Promise<boolean> {
  using source = await FileSource.open(path);
  const start = new Uint8Array(Math.min(source.size, 9));
  await source.read(0, start);
  if (isZip(start) || start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5) return true;
  // A file in neither format is judged by its name, so that the error speaks of the right format.
  return start[8] !== 0x7b && /\.(pth|pt|ckpt|bin)$/i.test(path);
}
