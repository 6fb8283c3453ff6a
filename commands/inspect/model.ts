import {
  memoryNeeded,
  type ModelFolder,
  type ModelPart,
  type OpenModel,
  openModelAt,
  openModelFolder,
  type OpenWeights,
  recognise,
} from "../../app.ts";
import type { ModelInfo } from "../../mod.ts";
import { defined } from "../../cli/settings.ts";
import { defaultSize } from "../../request/picture_size.ts";
import type { Inspection } from "./inspection.ts";
import {
  configLine,
  describeNeed,
  type Needs,
  summarise,
  tensorLines,
  totals,
  type WeightsSummary,
} from "./weights.ts";

/** Options for inspecting a model. */
export interface ModelInspection {
  /** Compute memory for so many generated frames (those of the model's example). */
  readonly frames?: number;
  /** List every tensor. */
  readonly list?: boolean;
  /** Computes GPU memory; replaced in tests. */
  readonly count?: typeof memoryNeeded;
}

interface Part {
  readonly name: "transformer" | "vae";
  readonly summary: WeightsSummary;
  readonly architecture: string | undefined;
  readonly config: ModelPart["config"];
}

/** Contents of a model folder, and the memory for running it. */
export async function inspectModel(
  path: string,
  { frames, list = false, count = memoryNeeded }: ModelInspection,
): Promise<Inspection> {
  const folder = await openModelFolder(path);
  using model = await openModelAt(folder);
  const { checkpoints: { transformer, vae } } = model;
  const parts = [
    describedPart("transformer", folder, transformer!),
    describedPart("vae", folder, vae),
  ];
  const memory = memoryOf(folder, model, frames, count);
  const { far } = folder;
  const lines = [`model       ${String(far?.name ?? path)}`];
  const about = { about: far?.description, license: far?.license, fps: far?.fps };
  for (const [name, value] of Object.entries(defined(about))) {
    lines.push(`${name.padEnd(11)} ${value}`);
  }
  for (const name of ["actions", "labels"] as const) {
    const names = far?.[name];
    if (Array.isArray(names)) lines.push(`${name.padEnd(11)} ${names.join(", ")}`);
  }
  for (const part of parts) {
    for (const line of describePart(part, list)) lines.push(line); // too many to spread
  }
  lines.push(...describeSchedule(model.info), ...describeMemory(memory));
  return { lines, json: toJson(folder, parts, memory) };
}

function describedPart(
  name: "transformer" | "vae",
  folder: ModelFolder,
  checkpoint: OpenWeights["checkpoint"],
): Part {
  const summary = summarise(checkpoint);
  const found = recognise(new Map(summary.tensors.map(({ name, shape }) => [name, shape])));
  return { name, summary, architecture: found?.name, config: folder[name].config };
}

function describePart({ name, summary, architecture, config }: Part, list: boolean): string[] {
  const what = [config._class_name, architecture].filter((part) => typeof part === "string");
  return [
    `${name.padEnd(11)} ${what.join(", ")}: ${configLine(config)}`,
    totals(summary),
    ...list ? tensorLines(summary) : [],
  ];
}

interface Memory extends Needs {
  readonly frames: number;
  readonly contextFrames: number;
}

/** GPU memory of a run, if its length is known. */
function memoryOf(
  { far }: ModelFolder,
  model: OpenModel,
  given: number | undefined,
  count: typeof memoryNeeded,
): Memory | undefined {
  const defaults = (far?.defaults ?? {}) as Record<string, unknown>;
  const frames = given ?? numberOf(defaults.frames);
  if (frames === undefined) return undefined;
  const contextFrames = numberOf(defaults.context_frames) ?? 0;
  const guidance = numberOf(defaults.guidance);
  const run = { frames, contextFrames, guidance, ...defaultSize(defaults) };
  const f32 = count(model, { ...run, dtype: "f32" });
  const f16 = count(model, { ...run, dtype: "f16" });
  return { frames, contextFrames, f32, f16 };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Where noise levels are not even, as those of the released models are. */
function describeSchedule({ schedule: { shift, shiftTerminal } }: ModelInfo): string[] {
  const facts = [
    ...(shift === 1 ? [] : [`shift ${shift}`]),
    ...(shiftTerminal === undefined
      ? []
      : [`the last step begins at noise level ${shiftTerminal}`]),
  ];
  return facts.length === 0 ? [] : [`steps       ${facts.join(", ")}`];
}

function describeMemory(memory: Memory | undefined): string[] {
  if (!memory) return ["memory      use --frames N to compute it"];
  const { frames, contextFrames, f32, f16 } = memory;
  const context = contextFrames ? ` after ${contextFrames}` : "";
  return [`memory      on the GPU for ${frames} frames${context}: ${describeNeed({ f32, f16 })}`];
}

function toJson(folder: ModelFolder, parts: readonly Part[], memory: Memory | undefined) {
  const of = ({ summary, architecture, config }: Part) => ({ architecture, config, ...summary });
  return {
    path: folder.path,
    far: folder.far,
    modelIndex: folder.modelIndex,
    scheduler: folder.scheduler,
    transformer: of(parts[0]!),
    vae: of(parts[1]!),
    memory,
  };
}
