import { basename, dirname, extname, join } from "node:path";
import { readClip, readMetadata, SafetensorsFile } from "../../mod.ts";
import { JOB_KEY, outputPath } from "./identity.ts";
import { patternOf } from "./output_names.ts";
import type { MadeFile, ResultRecord } from "./results.ts";
import { digestFile } from "./digest.ts";

/**
 * The outputs of a job that is done: they are there, whole, and were made with the same settings and
 * model. The job's record says so, or else its hash in the files themselves.
 * @param files names relative to the folder
 * @returns undefined where anything is missing
 */
export async function findDone(
  hash: string,
  folder: string,
  files: readonly string[],
  record: ResultRecord | undefined,
): Promise<{ readonly outputs: readonly MadeFile[]; readonly recorded: boolean } | undefined> {
  if (record?.status === "done" && await allThere(folder, record.outputs)) {
    return { outputs: record.outputs, recorded: true };
  }
  const outputs: MadeFile[] = [];
  for (const name of files) {
    const path = outputPath(folder, name);
    if (!await carriesHash(path, hash)) return undefined;
    outputs.push({ path: name, ...await digestFile(path) });
  }
  return { outputs, recorded: false };
}

/** Files appear under their names only when whole, so their sizes tell. */
async function allThere(folder: string, outputs: readonly MadeFile[]): Promise<boolean> {
  for (const { path, bytes } of outputs) {
    if (await bytesOf(outputPath(folder, path)) !== bytes) return false;
  }
  return outputs.length > 0;
}

/** Size of a file, or of all pictures of a `%d` pattern; undefined where there is none. */
async function bytesOf(path: string): Promise<number | undefined> {
  try {
    if (!path.includes("%")) return (await Deno.stat(path)).size;
    const pattern = patternOf(basename(path));
    let sum = 0;
    for await (const { name } of Deno.readDir(dirname(path))) {
      if (pattern.test(name)) sum += (await Deno.stat(join(dirname(path), name))).size;
    }
    return sum;
  } catch {
    return undefined;
  }
}

/** Whether a file can be read to its end and says that this job made it. */
async function carriesHash(path: string, hash: string): Promise<boolean> {
  if (path.includes("%") || !await isFile(path)) return false;
  try {
    if (extname(path).toLowerCase() === ".safetensors") {
      const file = await SafetensorsFile.open(path);
      file.close();
      return file.metadata.get(JOB_KEY) === hash;
    }
    if ((await readMetadata(path))[JOB_KEY] !== hash) return false;
    return (await readClip(path)).warnings.length === 0;
  } catch {
    return false; // whatever it is, it is not whole
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((found) => found.isFile, () => false);
}
