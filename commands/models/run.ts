import {
  diskUse,
  folderBytes,
  type LocalModel,
  localModels,
  modelFiles,
  presetMemory,
  type PresetState,
  presetStates,
} from "../../app.ts";
import { hubSettings, PRESETS } from "../../mod.ts";
import { countText, sizeText } from "../../cli/amounts.ts";
import type { Call } from "../../cli/command.ts";
import { fittedRows, wrapped } from "../../cli/columns.ts";
import { environment } from "../../cli/environment.ts";
import { UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import { remove } from "./remove.ts";
import type { MODELS_OPTIONS } from "./spec.ts";

/** `far models`: lists local and released models; `far models rm NAME` removes one. */
export async function run(call: Call<typeof MODELS_OPTIONS>): Promise<void> {
  const { operands: [action, name], options, terminal } = call;
  if (action === "rm" && name !== undefined) return await remove(name, call);
  if (action !== undefined) {
    const what = action === "rm" ? "Say what to remove" : `There is no "far models ${action}"`;
    throw new UsageError(`${what}: far models lists them, far models rm NAME removes one`);
  }
  const settings = await hubSettings(environment);
  const demo = await modelPath(DEMO);
  const pulled = await localModels(settings);
  const here = [
    { name: DEMO, source: "built in", path: demo, bytes: await folderBytes(demo) },
    ...await Promise.all(pulled.map(async (model) => ({
      ...model,
      bytes: (await modelFiles(model.name, settings)).bytes,
    }))),
  ];
  const repositories = pulled.filter(({ source }) => source === "repository");
  const disk = await diskUse(repositories.map(({ name }) => name), settings);
  const released = (await presetStates(settings)).map((preset) => ({
    ...preset,
    memory: publishedMemory(preset.name),
  }));
  if (options.json) {
    return await terminal.print(`${JSON.stringify({ models: here, released, disk }, null, 2)}\n`);
  }
  // in a file or a pipe, rows are for programs
  const columns = Deno.stdout.isTerminal() ? terminal.columns : Infinity;
  await terminal.print(`${describeModels({ here, released, disk }, columns)}\n`);
}

/** Bytes of GPU memory for the published test, by dtype. */
function publishedMemory(name: string): { f16: number; f32: number } {
  const preset = PRESETS.find((one) => one.name === name)!;
  return { f16: presetMemory(preset, "f16").total, f32: presetMemory(preset, "f32").total };
}

type Released = PresetState & { readonly memory: { readonly f16: number; readonly f32: number } };

type Here = Omit<LocalModel, "source"> & { readonly source: string };

/** The models to list. */
interface Models {
  readonly here: readonly Here[];
  readonly released: readonly Released[];
  /** Disk use of pulled models and their downloads, in bytes. */
  readonly disk: number;
}

/** Both lists for people. @param columns characters per line */
export function describeModels({ here, released, disk }: Models, columns = Infinity): string {
  const rows = here.map(({ name, source, path, bytes, problem }) => [
    name,
    sizeText(bytes),
    source,
    problem ?? path,
  ]);
  const published = released.filter(({ state }) => state !== "ready").map((preset) => [
    preset.name,
    `${preset.pixels}x${preset.pixels}`,
    `${countText(total(preset))} weights`,
    `${sizeText(4 * total(preset))} in f32`,
    `GPU ${sizeText(preset.memory.f16)} (f16) ${sizeText(preset.memory.f32)} (f32)`,
    needs(preset),
    preset.state === "downloaded" ? "downloaded, not converted" : "",
  ]);
  const lines = [
    ...wrapped("On this machine (far generate --model NAME)", columns),
    ...fittedRows(rows, columns),
  ];
  if (disk > 0) {
    lines.push(...wrapped(`${sizeText(disk)} of pulled models and their downloads`, columns, "  "));
  }
  if (published.length) {
    const head = wrapped("Released (far pull NAME downloads and converts)", columns);
    lines.push("", ...head, ...fittedRows(published, columns));
  }
  return lines.join("\n");
}

function total({ parameters }: PresetState): number {
  return parameters.transformer + parameters.vae;
}

/** Memory of a run, and what the model was trained to do. */
function needs({ condition, contextFrames, frames, window }: PresetState): string {
  const parts = [
    contextFrames ? `continues ${contextFrames} frames with ${frames}` : `makes ${frames} frames`,
  ];
  if (condition.kind !== "none") parts.push(`${condition.count} ${condition.kind}s`);
  parts.push(`window ${window}`);
  return parts.join(", ");
}
