import { numberedFiles } from "../app.ts";
import { UsageError } from "../cli/errors.ts";
import { isFile } from "../cli/folder.ts";
import { type Settings, settingsOf } from "../cli/settings.ts";
import { fileMetadata } from "./file_metadata.ts";
import { isSequence, outputFiles } from "./outputs.ts";

/** What decides whether an existing output may be replaced. */
export interface KeepOptions {
  /** `--overwrite`. */
  readonly overwrite?: boolean;
  /** Videos of the run; each has its own files. */
  readonly count?: number;
  /** Whether a file's metadata shows that nothing is lost by making it again. */
  readonly again?: (metadata: Record<string, string>) => boolean;
}

/**
 * The rule of all commands for existing outputs: they are kept, unless `--overwrite` is given or
 * the same settings made the file, so that a script can run again.
 * @throws {UsageError} names the first output that must be kept
 */
export async function keepOutputs(
  paths: readonly string[],
  { overwrite, count = 1, again = () => false }: KeepOptions,
): Promise<void> {
  if (overwrite) return;
  for (const path of outputFiles(paths, count)) {
    const found = await firstFile(path);
    if (found === undefined) continue;
    const metadata = await fileMetadata(found).catch(() => ({}));
    if (again(metadata)) continue;
    throw new UsageError(
      `Cannot write "${found}": it exists. Give another name, or --overwrite to replace it`,
    );
  }
}

/** Whether a file was made by this command, with whatever settings. */
export function madeBy(command: string): KeepOptions["again"] {
  return (metadata) => settingsOf(metadata)?.command === command;
}

/** Whether a file was made by the same settings, except for the names of outputs. */
export function madeWith(settings: Settings): KeepOptions["again"] {
  const wanted = comparable(settings);
  return (metadata) => {
    const made = settingsOf(metadata);
    return made !== undefined && comparable(made) === wanted;
  };
}

function comparable({ command, options: { output: _, ...options } }: Settings): string {
  return JSON.stringify([command, Object.entries(options).sort(([a], [b]) => a < b ? -1 : 1)]);
}

/** The existing file of an output: itself, or the first of its numbered files. */
async function firstFile(path: string): Promise<string | undefined> {
  if (path === "-") return undefined;
  if (isSequence(path)) return (await numberedFiles(path).catch(() => []))[0];
  return await isFile(path) ? path : undefined;
}
