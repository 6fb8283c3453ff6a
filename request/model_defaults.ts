import { basename, dirname, isAbsolute, join, sep } from "node:path";
import { isPattern } from "../app.ts";
import { filesToRead, optionKey, type Values } from "../cli/option.ts";
import { GENERATE_OPTIONS } from "./options.ts";
import { checkSettings } from "../cli/settings_file.ts";

/** Options that a model folder may set: what is generated and how, never where it is written. */
const HARMLESS = [
  "frames",
  "context",
  "contextFrames",
  "contextStart",
  "contextStride",
  "resize",
  "actions",
  "label",
  "size",
  "count",
  "steps",
  "guidance",
  "solver",
  "seed",
  "rng",
  "flexrope",
  "positions",
  "timesteps",
  "windowCache",
  "noCache",
  "fps",
  "dtype",
  "codec",
  "quality",
  "scale",
  "onlyGenerated",
];
const HARMLESS_OPTIONS = Object.fromEntries(
  Object.entries(GENERATE_OPTIONS).filter(([key]) => HARMLESS.includes(key)),
);

/**
 * Reads `defaults` of a model's far.json. The folder may be a stranger's, so it may only set
 * options that affect the frames, and name only files inside the folder.
 * @returns the options, with paths of files resolved
 * @throws {TypeError} lists every invalid default, one line each
 */
export function parseModelDefaults(json: unknown, folder: string): Values<typeof GENERATE_OPTIONS> {
  const where = `${folder}/far.json`;
  const { values, problems } = checkSettings(GENERATE_OPTIONS, json ?? {}, where);
  const strange = Object.keys(json ?? {}).filter((name) => isStrange(name));
  const all = [
    ...problems,
    ...strange.map((name) => `Cannot use "${name}" in ${where}: a model may not set it`),
  ];
  for (const [name, path] of filesToRead(HARMLESS_OPTIONS, values)) {
    const fault = fileFault(path, folder);
    if (fault) all.push(`Cannot use "${name}" in ${where}: "${path}" ${fault}`);
    else Object.assign(values, { [name]: join(folder, path) });
  }
  if (all.length > 0) throw new TypeError(all.join("\n"));
  return values;
}

function isStrange(name: string): boolean {
  const key = optionKey(name);
  return Object.hasOwn(GENERATE_OPTIONS, key) && !HARMLESS.includes(key);
}

/** What is wrong with a file named by a model folder. */
function fileFault(path: string, folder: string): string | undefined {
  const parts = path.split(/[/\\]/);
  if (path === "-" || isAbsolute(path) || /^[A-Za-z]:/.test(path) || parts.includes("..")) {
    return "must be a file inside the model's folder";
  }
  const whole = join(folder, path);
  const place = realPath(isPattern(path) ? dirname(whole) : whole);
  if (place === undefined) return undefined; // reading it reports that it is missing
  const roots = rootsOf(folder);
  const isInside = (file: string) =>
    roots.some((root) => file === root || file.startsWith(root + sep));
  if (!isInside(place)) return "is a link that leaves the model's folder";
  const stray = linksIn(place).find((link) => !isInside(realPath(link) ?? link));
  return stray && `holds "${basename(stray)}", a link that leaves the model's folder`;
}

/** Links in a folder of pictures; none if it is a file or cannot be read. */
function linksIn(place: string): string[] {
  try {
    const entries = [...Deno.readDirSync(place)];
    return entries.filter(({ isSymlink }) => isSymlink).map(({ name }) => join(place, name));
  } catch {
    return [];
  }
}

/** The folder itself; in the hub's cache its files are links to blobs of the same repository. */
function rootsOf(folder: string): string[] {
  const own = realPath(folder) ?? folder;
  const snapshots = dirname(own);
  return basename(snapshots) === "snapshots" ? [own, join(dirname(snapshots), "blobs")] : [own];
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}
