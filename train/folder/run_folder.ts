import { join } from "node:path";
import { CheckpointError, quote } from "../../files/errors.ts";
import { isFile } from "../../files/file_source.ts";
import { finalName, writeWhole } from "../../files/atomic_file.ts";
import { copyFiles } from "../../files/copy_files.ts";
import { makeFolder } from "../../files/folders.ts";
import { FileLock } from "../../files/lock.ts";
import type { JsonObject } from "../../files/json.ts";
import { readJson } from "../../files/read_json.ts";
import type { Shapes } from "../../released/architecture.ts";
import type { NoiseSchedule } from "../../model/scheduler.ts";
import { configText, modelIndex, schedulerConfig } from "../../released/model_files.ts";
import { writeFloats } from "../../weights/safetensors.ts";
import { changedSettings } from "../run_options.ts";
import { checkpointSteps } from "./checkpoint.ts";
import { adapterMetadata, ADAPTERS, mergeAdapters } from "./adapters.ts";

/** Parts of a model folder besides the transformer's weights. */
export interface ModelFiles {
  /** config.json of the transformer. */
  readonly config: JsonObject;
  /** Folder of the autoencoder, which is copied. */
  readonly vae: string;
  readonly far: JsonObject;
  readonly shapes: Shapes;
  readonly noise: NoiseSchedule;
}

const SETTINGS = "settings.json";
/** Written last: a folder with it is complete. */
const INDEX = "model_index.json";
const PARTS = ["transformer", "vae", "scheduler"];
const WEIGHTS = "diffusion_pytorch_model.safetensors";

/** The folder of a run: a model folder at all times, used by one process at a time. */
export class RunFolder {
  readonly path: string;
  readonly #lock: FileLock;

  private constructor(path: string, lock: FileLock) {
    this.path = path;
    this.#lock = lock;
  }

  /** @throws {CheckpointError} another process trains here, or it is not writable */
  static async open(path: string): Promise<RunFolder> {
    await makeFolder(path);
    const lock = await FileLock.take(join(path, ".lock"));
    if (lock) {
      for (const folder of ["", ...PARTS, "clips", "latents", "samples"]) {
        await removePartials(join(path, folder));
      }
      return new RunFolder(path, lock);
    }
    throw new CheckpointError(`Cannot train in ${quote(path)}: another process is training there`, {
      file: path,
      reason: "Unwritable",
    });
  }

  /**
   * Compares settings with those of the run to continue, if there is one. A run without a
   * checkpoint has nothing to lose and may start again with other settings.
   * @throws {CheckpointError} names the settings that have changed, or a model no run has made
   */
  async checkSettings(settings: JsonObject): Promise<void> {
    const file = join(this.path, SETTINGS);
    if (!await isFile(file)) {
      const made = [INDEX, "config.json"].map((name) => isFile(join(this.path, name)));
      if (!(await Promise.all(made)).includes(true)) return;
      throw new CheckpointError(
        `Cannot train in ${quote(this.path)}: it holds a model that was not trained there, which ` +
          "would be overwritten; use another folder",
        { file: this.path, reason: "Unwritable" },
      );
    }
    if (!await this.isBegun()) return;
    const changed = changedSettings(await readJson(file), settings);
    if (changed.length === 0) return;
    throw new CheckpointError(
      `Cannot continue in ${quote(this.path)}: ${changed.join("; ")}; use the same settings, or ` +
        "another folder",
      { file: this.path, reason: "BadConfig" },
    );
  }

  /** Stores the settings, for continuing the run. */
  async keepSettings(settings: JsonObject): Promise<void> {
    await writeWhole(join(this.path, SETTINGS), `${JSON.stringify(settings, null, 2)}\n`);
  }

  /** Whether it holds a run that can be continued. */
  async isBegun(): Promise<boolean> {
    return (await checkpointSteps(this.path)).length > 0;
  }

  /** Makes it a model folder. */
  async writeModel(
    { config, vae, far, shapes, noise }: ModelFiles,
    weights: ReadonlyMap<string, Float32Array>,
  ): Promise<void> {
    for (const part of PARTS) await makeFolder(join(this.path, part));
    await copyFiles(vae, join(this.path, "vae"));
    await writeWhole(join(this.path, "transformer", "config.json"), configText(config));
    await writeWhole(
      join(this.path, "scheduler", "scheduler_config.json"),
      configText(schedulerConfig(noise)),
    );
    await this.writeWeights(weights, shapes);
    await this.writeFar(far);
    await writeWhole(join(this.path, INDEX), configText(modelIndex(config)));
  }

  /** Replaces the transformer's weights atomically. */
  async writeWeights(weights: ReadonlyMap<string, Float32Array>, shapes: Shapes): Promise<void> {
    const path = join(this.path, "transformer", WEIGHTS);
    await writeFloats(path, weights, (name) => shapes.get(name)!);
  }

  /** Writes the adapters separately, and the weights with adapters merged. */
  async writeAdapters(
    base: ReadonlyMap<string, Float32Array>,
    adapters: ReadonlyMap<string, Float32Array>,
    shapes: Shapes,
    lora: { readonly rank: number; readonly alpha?: number },
  ): Promise<void> {
    const shapeOf = (name: string) => {
      const values = adapters.get(name)!.length;
      const { rank } = lora;
      return name.endsWith("lora_A.weight") ? [rank, values / rank] : [values / rank, rank];
    };
    const metadata = adapterMetadata(adapters, lora);
    await writeFloats(join(this.path, ADAPTERS), adapters, shapeOf, metadata);
    const weights = new Map([...base].filter(([name]) => shapes.has(name)));
    await this.writeWeights(mergeAdapters(weights, adapters, lora), shapes);
  }

  /** Replaces far.json. */
  async writeFar(far: JsonObject): Promise<void> {
    await writeWhole(join(this.path, "far.json"), `${JSON.stringify(far, null, 2)}\n`);
  }

  close(): void {
    this.#lock[Symbol.dispose]();
  }
}

/** Removes unfinished files of a killed process. */
async function removePartials(folder: string): Promise<void> {
  for (const { name } of await Array.fromAsync(Deno.readDir(folder)).catch(() => [])) {
    if (finalName(name) !== undefined) await Deno.remove(join(folder, name));
  }
}
