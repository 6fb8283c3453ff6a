import { presetMemory } from "../../released/preset_memory.ts";
import { hubSettings } from "../../hub/settings.ts";
import { type PresetState, presetStates } from "../../released/local_models.ts";
import { type Preset, PRESETS } from "../../released/presets.ts";

/** FlexRoPE's factor over the trained length, as the paper gives it. */
const FLEXROPE = 16;

/** Every released model: its files, what they hold, what a run of the published test needs. */
export async function modelTable(): Promise<string> {
  const states = await presetStates(await hubSettings(() => undefined));
  const heads = [
    "model",
    "files in the hub",
    "size",
    "GPU, f16 / f32",
    "trained window",
    "reaches",
  ];
  const rows = PRESETS.map((preset, i) => cells(preset, states[i]!));
  return [heads, heads.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function cells(preset: Preset, state: PresetState): string[] {
  const { name, transformerFile, vaeFile } = preset;
  const { pixels, window, parameters, contextFrames, frames } = state;
  const need = (dtype: "f16" | "f32") => gigabytes(presetMemory(preset, dtype).total);
  const long = preset.architecture.endsWith("_Long");
  return [
    `\`${name}\`, ${pixels}x${pixels}`,
    [transformerFile, vaeFile].map((file) => file.split("/").at(-1)).join(" "),
    gigabytes(4 * (parameters.transformer + parameters.vae)),
    `${need("f16")} / ${need("f32")}`,
    `${window} frames`,
    long ? `${contextFrames + frames} frames, by its context` : `${FLEXROPE * window} frames`,
  ];
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
