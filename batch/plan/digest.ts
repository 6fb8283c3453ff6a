import { join } from "node:path";
import { digestFile, loraFiles, openModelFolder, sha256 } from "../../app.ts";
import { isFolder } from "../../cli/folder.ts";
import { parseLora } from "../../request/lora.ts";

/** Files of a folder by name, without subfolders. */
async function filesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(folder)) {
    const isInside = isDirectory || (isSymlink && await isFolder(join(folder, name)));
    if (!isInside) names.push(name);
  }
  return names.sort();
}

/** Digests, computed once per path while the program runs. */
export class Digests {
  readonly #known = new Map<string, Promise<string>>();

  /** Digest of a file's bytes, or of the names and bytes of all files of a folder. */
  content(path: string): Promise<string> {
    return this.#known.getOrInsertComputed(`content ${path}`, async () => {
      const { isDirectory } = await Deno.stat(path);
      if (!isDirectory) return (await digestFile(path)).sha256;
      const lines: string[] = [];
      for (const name of await filesIn(path)) {
        lines.push(`${name} ${(await digestFile(join(path, name))).sha256}`);
      }
      return sha256(lines.join("\n"));
    });
  }

  /**
   * Digest of a model: its weights, its configurations and the entries of far.json that change a
   * video. The folder's place and name do not matter, so it is the same on every machine.
   * @param lora adapters that change its weights, as `FILE[:SCALE]`
   */
  async model(folder: string, lora?: string): Promise<string> {
    const model = await this.#known
      .getOrInsertComputed(`model ${folder}`, () => digestModel(folder));
    return lora === undefined ? model : sha256(`${model} ${await this.lora(lora)}`);
  }

  /** Digest of adapters and their scale. */
  async lora(lora: string): Promise<string> {
    const { path, scale = 1 } = parseLora(lora);
    const files = await loraFiles(path);
    const digests = await Promise.all(files.map((file) => this.content(file)));
    return [...digests, scale].join(" ");
  }
}

const PARTS = ["", "transformer", "vae", "scheduler"];
const WEIGHTS_AND_CONFIG = /\.(json|safetensors|pth|bin)$/;

async function digestModel(folder: string): Promise<string> {
  const { far = {} } = await openModelFolder(folder);
  const { fps, actions, labels, defaults, positions, timesteps } = far as Record<string, unknown>;
  const lines = [JSON.stringify({ fps, actions, labels, defaults, positions, timesteps })];
  for (const part of PARTS) {
    for (const name of await filesIn(join(folder, part))) {
      if (!WEIGHTS_AND_CONFIG.test(name) || name === "far.json") continue;
      lines.push(`${part}/${name} ${(await digestFile(join(folder, part, name))).sha256}`);
    }
  }
  return sha256(lines.join("\n"));
}
