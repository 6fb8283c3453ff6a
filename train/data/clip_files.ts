import { glob } from "node:fs/promises";
import { extname, join } from "node:path";
import { MediaError, reasonOf } from "../../media/errors.ts";
import { isPattern } from "../../media/numbered_names.ts";

const CLIP = /\.(mp4|m4v|mov|webm|mkv|avi|gif|y4m|npz|npy|safetensors)$/i;
const IMAGE = /\.(png|jpe?g|webp)$/i;

/**
 * Finds clips: files, folders of clips (searched to any depth; a folder with only pictures is one
 * clip), `*` patterns, and `%d` patterns of pictures.
 * @returns paths that `readClip` takes, or .safetensors of latents; in natural order within a folder
 * @throws {MediaError} a folder or pattern without clips, or one that cannot be read
 */
export async function findClips(sources: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const source of sources) for (const clip of await expand(source)) found.add(clip);
  return [...found];
}

async function expand(source: string): Promise<string[]> {
  const stat = await Deno.stat(source).catch(() => undefined);
  if (stat?.isDirectory) {
    const clips = await clipsInFolder(source);
    if (clips.length > 0) return clips;
    throw new MediaError(`Cannot train on "${source}": the folder contains no clips`);
  }
  if (!stat && !isPattern(source) && /[*?[{]/.test(source)) {
    const matches = (await Array.fromAsync(glob(source))).filter((path) => isClip(path)).sort(
      compare,
    );
    if (matches.length > 0) return matches;
    throw new MediaError(`Cannot train on "${source}": no clip matches the pattern`);
  }
  return [source];
}

/** A sidecar of actions has the name of its clip, and is not a clip. */
function isClip(path: string): boolean {
  return CLIP.test(path);
}

async function clipsInFolder(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch((error) => {
    throw new MediaError(`Cannot read "${folder}": ${reasonOf(error)}`);
  });
  const visible = entries.filter(({ name }) => !name.startsWith("."));
  const names = visible.map(({ name }) => name).sort(compare);
  const isFolder = new Set(visible.filter((entry) => entry.isDirectory).map(({ name }) => name));
  const stems = countStems(names);
  const clips: string[] = [];
  for (const name of names) {
    if (isFolder.has(name)) {
      for (const clip of await clipsInFolder(join(folder, name))) clips.push(clip);
    } else if (isClip(name) && !isSidecar(name, stems)) clips.push(join(folder, name));
  }
  if (clips.length === 0 && names.some((name) => IMAGE.test(name))) return [folder];
  return clips;
}

/** How many clips have each name, extensions aside. */
function countStems(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const stem of names.filter(isClip).map(stemOf)) {
    counts.set(stem, (counts.get(stem) ?? 0) + 1);
  }
  return counts;
}

/** `walk.npz` next to `walk.mp4` has its actions. */
function isSidecar(name: string, stems: ReadonlyMap<string, number>): boolean {
  return extname(name).toLowerCase() === ".npz" && stems.get(stemOf(name))! > 1;
}

function stemOf(name: string): string {
  return name.slice(0, -extname(name).length);
}

const { compare } = new Intl.Collator("en", { numeric: true });
