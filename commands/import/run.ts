import { importPlay } from "../../app_large.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { count } from "../../request/report.ts";
import type { IMPORT_OPTIONS } from "./spec.ts";

/** `far import VIDEOS --keys MAP -o DIR`: makes clips for training. */
export async function run(
  { options, operands, terminal, signal }: Call<typeof IMPORT_OPTIONS>,
): Promise<void> {
  const { keys: map, output, quiet, json, ...how } = options;
  if (operands.length === 0) throw new UsageError("Say what to import: give videos");
  if (!output) throw new UsageError("Say where the clips go: give --output DIR");
  if (!map) throw new UsageError("Say what the keys mean: give --keys FILE.json");
  const imported = await importPlay({
    ...how,
    videos: operands,
    output,
    map,
    signal,
    onClip: (path, frames) => quiet ? undefined : terminal.note(`${path}: ${frames} frames`),
  });
  if (json) return await terminal.print(`${JSON.stringify(imported, null, 2)}\n`);
  if (quiet) return;
  const { clips, frames, dropped, actions, unknownKeys, warnings } = imported;
  for (const warning of warnings) terminal.note(warning);
  if (unknownKeys.length > 0) terminal.note(`keys without an action: ${unknownKeys.join(", ")}`);
  const counts = Object.entries(actions).map(([name, times]) => `${name} ${times}`).join(", ");
  const left = dropped > 0 ? `, ${dropped} dropped` : "";
  const made = `${count(clips, "clip")} to ${output}: ${frames} frames`;
  await terminal.print(`Wrote ${made}${left} (${counts})\n`);
}
