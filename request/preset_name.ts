import { type Preset, PRESETS } from "../mod.ts";
import { UsageError } from "../cli/errors.ts";
import { fullName, nearName } from "../cli/short_name.ts";

/** The released configuration for a name or a short form. @throws {UsageError} there is none */
export function presetNamed(name: string): Preset {
  const names = PRESETS.map((preset) => preset.name);
  const full = fullName(name, names);
  const preset = PRESETS.find((preset) => preset.name === full);
  if (preset) return preset;
  throw new UsageError(
    `Cannot find preset "${name}"${nearName(name, names)}; see \`far models\``,
  );
}
