import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { writeWhole } from "../files/atomic_file.ts";
import type { TuningTable } from "../gpu/tuning.ts";

/** What the file holds: a table for each adapter, by its name and Deno's version. */
interface TuningFile {
  readonly version: typeof VERSION;
  readonly adapters: Readonly<Record<string, TuningTable>>;
}

/** Raised when kernels change so much that old measurements mislead. */
const VERSION = 1;

/** `far/tuning.json` in the user's cache directory; undefined if reading it is not permitted. */
function tuningPath(): string | undefined {
  const granted = (descriptor: Deno.PermissionDescriptor) =>
    Deno.permissions.querySync(descriptor).state === "granted";
  const variable = "XDG_CACHE_HOME";
  const cache = granted({ name: "env", variable }) ? Deno.env.get(variable) : undefined;
  if (!cache && !granted({ name: "sys", kind: "homedir" })) return undefined;
  const path = join(cache || join(homedir(), ".cache"), "far", "tuning.json");
  return granted({ name: "read", path }) ? path : undefined;
}

/** A missing, older or malformed file counts as empty. */
async function readFile(path: string): Promise<TuningFile> {
  try {
    const file = JSON.parse(await Deno.readTextFile(path));
    if (file?.version === VERSION && typeof file.adapters === "object") return file;
  } catch {
    // nothing was measured yet, or the file is unusable
  }
  return { version: VERSION, adapters: {} };
}

function adapterKey(adapter: string): string {
  return `${adapter}, Deno ${Deno.version.deno}`;
}

/** The tuning measured on an adapter, if any. */
export async function readTuning(
  adapter: string,
  path = tuningPath(),
): Promise<TuningTable | undefined> {
  if (path === undefined) return undefined;
  const table = (await readFile(path)).adapters[adapterKey(adapter)];
  return typeof table === "object" && table !== null ? table : undefined;
}

/**
 * Adds to the tuning of an adapter; the file is replaced atomically.
 * @returns where it was written
 * @throws {Deno.errors.NotCapable} without permission to write to the cache directory
 */
export async function writeTuning(
  adapter: string,
  table: TuningTable,
  path = tuningPath(),
): Promise<string> {
  if (path === undefined) {
    throw new Deno.errors.NotCapable("Cannot keep the tuning: the cache directory may not be read");
  }
  const { adapters } = await readFile(path);
  const key = adapterKey(adapter);
  const file: TuningFile = {
    version: VERSION,
    adapters: { ...adapters, [key]: { ...adapters[key], ...table } },
  };
  await Deno.mkdir(dirname(path), { recursive: true });
  await writeWhole(path, `${JSON.stringify(file, null, 2)}\n`);
  return path;
}
