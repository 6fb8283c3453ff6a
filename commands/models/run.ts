import {
  folderBytes,
  type LocalModel,
  localModels,
  presetMemory,
  type PresetState,
  presetStates,
} from "../../app.ts";
import { hubSettings, PRESETS } from "../../mod.ts";
import { countText, sizeText } from "../../cli/amounts.ts";
import type { Call } from "../../cli/command.ts";
import { environment } from "../../cli/environment.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import type { MODELS_OPTIONS } from "./spec.ts";

/** `far models`: what is on this machine, and what could be. */
export async function run({ options, terminal }: Call<typeof MODELS_OPTIONS>): Promise<void> {
  const settings = await hubSettings(environment);
  const demo = await modelPath(DEMO);
  const here = [
    { name: DEMO, source: "built in", path: demo, bytes: await folderBytes(demo) },
    ...await localModels(settings),
  ];
  const released = (await presetStates(settings)).map((preset) => ({
    ...preset,
    memory: publishedMemory(preset.name),
  }));
  if (options.json) {
    return await terminal.print(`${JSON.stringify({ models: here, released }, null, 2)}\n`);
  }
  await terminal.print(`${describeModels(here, released)}\n`);
}

/** Bytes of GPU memory that the published test takes, by dtype. */
function publishedMemory(name: string): { f16: number; f32: number } {
  const preset = PRESETS.find((one) => one.name === name)!;
  return { f16: presetMemory(preset, "f16").total, f32: presetMemory(preset, "f32").total };
}

type Released = PresetState & { readonly memory: { readonly f16: number; readonly f32: number } };

type Here = Omit<LocalModel, "source"> & { readonly source: string };

/** Both lists for people. */
export function describeModels(here: readonly Here[], released: readonly Released[]): string {
  const rows = here.map(({ name, source, path, bytes }) => [
    name,
    sizeText(bytes),
    source,
    path,
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
  const lines = ["On this machine (far generate --model NAME)", ...table(rows)];
  if (published.length) {
    lines.push("", "Released (far pull NAME downloads and converts)", ...table(published));
  }
  return lines.join("\n");
}

function total({ parameters }: PresetState): number {
  return parameters.transformer + parameters.vae;
}

/** What a run needs, and what the model was trained to do. */
function needs({ condition, contextFrames, frames, window }: PresetState): string {
  const parts = [
    contextFrames ? `continues ${contextFrames} frames with ${frames}` : `makes ${frames} frames`,
  ];
  if (condition.kind !== "none") parts.push(`${condition.count} ${condition.kind}s`);
  parts.push(`window ${window}`);
  return parts.join(", ");
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`.trimEnd()
  );
}
