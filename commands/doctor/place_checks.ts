import { statfs } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { hubSettings } from "../../mod.ts";
import { environment } from "../../cli/environment.ts";
import { shellQuote } from "../../cli/settings.ts";
import { type Check, failed, ok, sizeText, warning } from "./check.ts";

/** Below this, videos and models may not fit. */
const LEAST_DISK = 2e9;
/** Below this, the demo may not run on the CPU. */
const LEAST_MEMORY = 1e9;

/** Memory of the machine. */
export function checkMemory({ available, total } = Deno.systemMemoryInfo()): Check {
  const name = "memory";
  const detail = `${sizeText(available)} of ${sizeText(total)} free`;
  return available >= LEAST_MEMORY
    ? ok(name, detail)
    : warning(name, detail, "close other programs");
}

/** Folders for files: do they have room, and are they writable? */
export async function checkPlaces(): Promise<Check[]> {
  const { cache, models } = await hubSettings(environment);
  return [
    await checkPlace("current folder", Deno.cwd(), 'cd "$HOME"'),
    await checkPlace("temporary folder", tmpdir(), 'export TMPDIR="$HOME"'),
    await checkPlace("hub's cache", cache),
    await checkPlace("converted models", models),
  ];
}

/**
 * Checks a folder; a missing one is judged by its nearest existing parent.
 * @param mend advice if it is not writable: by default a command that makes it the user's own
 */
export async function checkPlace(name: string, path: string, mend?: string): Promise<Check> {
  const existing = await nearestFolder(path);
  const shown = withoutHome(path) + (existing === path ? "" : " (does not exist yet)");
  if (!await canWrite(existing)) {
    // never change the owner of a parent folder, which may be the system's
    const own = existing === path ? "chown -R" : "install -d -o";
    const usual = `sudo ${own} "$(id -un)" ${shellQuote(path)}`;
    return failed(name, `${shown} is not writable`, mend ?? usual);
  }
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const detail = `${shown}, ${sizeText(free)} free`;
  if (free >= LEAST_DISK) return ok(name, detail);
  return warning(name, detail, `du -xh ${shellQuote(existing)} | sort -h`);
}

/** Reports become public, so they should not name the user. */
function withoutHome(path: string): string {
  const home = homedir();
  return path.startsWith(home + sep) ? `~${path.slice(home.length)}` : path;
}

async function nearestFolder(path: string): Promise<string> {
  const info = await Deno.stat(path).catch(() => undefined);
  const parent = dirname(path);
  return info?.isDirectory || parent === path ? path : await nearestFolder(parent);
}

/** Tried with a file, since the rights of a folder do not show read-only disks. */
async function canWrite(folder: string): Promise<boolean> {
  const path = join(folder, `.far-doctor-${crypto.randomUUID()}`);
  try {
    await Deno.writeFile(path, new Uint8Array());
    await Deno.remove(path);
    return true;
  } catch {
    return false;
  }
}
