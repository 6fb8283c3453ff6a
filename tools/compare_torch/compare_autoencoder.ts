/**
 * Trains an autoencoder in far and in PyTorch, a step of each in turns, from the same weights on the
 * same pictures: seconds of a step by the wall's clock and of all cores together, how far apart the
 * losses are, and the PSNR of unseen pictures at the end. It is the small autoencoder that `far
 * train CLIPS -o DIR` makes. Seconds on the wall mean little on a machine that others use.
 *
 *     deno run -A tools/compare_torch/compare_autoencoder.ts env/bin/python CLIPS [STEPS [BATCH [N]]]
 *
 * After N steps a discriminator joins; without N it never does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { cpuUsage } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Gpu } from "../../mod.ts";
import type { DataSet } from "../../train/data/data_set.ts";
import { Sampler } from "../../train/data/sampler.ts";
import {
  initialAutoencoder,
  listAutoencoderParameters,
} from "../../train/autoencoder/parameters.ts";
import { AUTOENCODER } from "../../train/autoencoder/run.ts";
import {
  adversarialSettings,
  AUTOENCODER_SETTINGS,
  type AutoencoderSettings,
} from "../../train/autoencoder/settings.ts";
import { AutoencoderTrainer } from "../../train/autoencoder/trainer.ts";
import { writeFloats } from "../../weights/safetensors.ts";
import { learningRate } from "../../train/schedule.ts";
import { autoencoderOf } from "../../train/world/sizes.ts";

const PEAK_LR = 1e-3;
const WARMUP = 10;
const COMPRESSION = 16;
const THREADS = 2;
/** Steps that do not count: the first ones compile. */
const WARM = 2;

/** What a step took, and its loss. */
interface Step {
  readonly loss: number;
  readonly wall: number;
  readonly cpu: number;
}

/** autoencoder.py in a process of its own, which sleeps while it is not asked. */
class Torch {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string) {
    const script = fileURLToPath(new URL("autoencoder.py", import.meta.url));
    // threads that spin while they wait take the other's cores
    const env = { ...Deno.env.toObject(), OMP_WAIT_POLICY: "passive" };
    const stdio = ["pipe", "pipe", "inherit"] as ["pipe", "pipe", "inherit"];
    this.#process = spawn(python, [script, folder, String(THREADS)], { env, stdio });
    this.#lines = createInterface(this.#process.stdout!)[Symbol.asyncIterator]();
  }

  /** @throws {Error} it ended */
  async ask<T>(order: object): Promise<T> {
    this.#process.stdin!.write(`${JSON.stringify(order)}\n`);
    const { done, value } = await this.#lines.next();
    if (done) throw new Error("PyTorch ended");
    return JSON.parse(value) as T;
  }

  close(): void {
    this.#process.stdin!.end();
  }
}

const [python, clips, steps = 40, batch = 16, discStart] = [
  Deno.args[0],
  Deno.args[1],
  ...Deno.args.slice(2).map(Number),
] as [string | undefined, string | undefined, number?, number?, number?];
if (!python || !clips) {
  console.error("Say which Python has torch and diffusers, then a folder of clips");
  Deno.exit(2);
}

const folder = await Deno.makeTempDir();
try {
  await compare(python, clips);
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function compare(python: string, clips: string): Promise<void> {
  const gpu = await Gpu.open();
  const config = autoencoderOf(COMPRESSION, "small");
  const options = { clips: [clips], output: folder, config, steps, frames: 1, heldOut: 0.1 };
  const origin = await AUTOENCODER.readOrigin(options);
  const { train, heldOut } = await AUTOENCODER.openClips(options, origin, gpu);
  const settings: AutoencoderSettings = {
    ...AUTOENCODER_SETTINGS,
    ...{ config, sizes: origin.sizes, height: train.sizes.height, width: train.sizes.width },
    ...{ batch, frames: 1, steps, lr: PEAK_LR, warmup: WARMUP, schedule: "cosine" },
    betas: [0.9, 0.99],
    loss: { l1: 1, mse: 1, edges: 0.5, structure: 0, lpips: 0 },
    ema: undefined,
    ...adversarialSettings({ discStart }),
  };
  const known = await batches(train, steps);
  const [unseen] = await batches(heldOut!, 1) as [Float32Array];
  const weights = await initialWeights(settings);
  await writeInputs(settings, weights, { known, unseen });
  const initial = (name: string) => Promise.resolve(weights.get(name)!);
  const trainer = await AutoencoderTrainer.open(gpu, settings, initial);
  const { discriminator } = await trainer.state();
  if (discriminator) {
    const { parameters, shapes } = discriminator;
    const path = join(folder, "init_disc.safetensors");
    await writeFloats(path, parameters, (name) => shapes.get(name)!);
  }
  const torch = new Torch(python);
  const [ours, theirs]: [Step[], Step[]] = [[], []];
  for (const [i, pictures] of known.entries()) {
    ours.push(await farStep(trainer, pictures));
    const rows = Array.from({ length: batch }, (_, row) => i * batch + row);
    const joined = discStart !== undefined && i >= discStart;
    theirs.push(
      await torch.ask<Step>({ pictures: rows, lr: learningRate(settings, i + 1), joined }),
    );
    console.error(`step ${i + 1}: loss ${ours.at(-1)!.loss}, in PyTorch ${theirs.at(-1)!.loss}`);
  }
  const { psnr } = await trainer.validate({ videos: batch, frames: 1, latents: unseen });
  const other = await torch.ask<{ psnr: number }>({ evaluate: true });
  torch.close();
  trainer.close();
  await gpu.close();
  report(ours, theirs, [psnr, other.psnr]);
}

/** By their names; drawn once, since draws follow the order of the calls. */
async function initialWeights({ seed, config }: AutoencoderSettings) {
  const parameters = listAutoencoderParameters(config);
  const draw = initialAutoencoder(seed, parameters);
  const weights = new Map<string, Float32Array>();
  for (const { name, shape } of parameters) weights.set(name, await draw(name, [...shape]));
  return weights;
}

/** Pictures of so many batches, [batch, 3, H, W] from 0 to 1. */
async function batches(data: DataSet, count: number): Promise<Float32Array[]> {
  const sampler = new Sampler({ starts: data.starts, batch: 1, seed: 0, shuffle: true });
  const all: Float32Array[] = [];
  for (let i = 0; i < count; i++) {
    const picks = Array.from({ length: batch }, () => sampler.next()).flat();
    all.push((await data.batch(picks)).latents);
  }
  return all;
}

/** What autoencoder.py reads. */
async function writeInputs(
  { config, height, width }: AutoencoderSettings,
  weights: ReadonlyMap<string, Float32Array>,
  { known, unseen }: { readonly known: readonly Float32Array[]; readonly unseen: Float32Array },
): Promise<void> {
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(config));
  const parameters = listAutoencoderParameters(config);
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  await writeFloats(join(folder, "init.safetensors"), weights, (name) => shapes.get(name)!);
  const train = new Float32Array(known.length * unseen.length);
  known.forEach((pictures, i) => train.set(pictures, i * unseen.length));
  await writeFloats(
    join(folder, "pictures.safetensors"),
    new Map([["train", train], ["unseen", unseen]]),
    (name) => [name === "train" ? known.length * batch : batch, 3, height, width],
  );
}

async function farStep(trainer: AutoencoderTrainer, latents: Float32Array): Promise<Step> {
  const [begin, cpu] = [performance.now(), cpuUsage()];
  await trainer.submit({ videos: batch, frames: 1, latents });
  const { loss } = (await trainer.flush())!;
  const { user, system } = cpuUsage(cpu);
  return { loss, wall: (performance.now() - begin) / 1000, cpu: (user + system) / 1e6 };
}

function report(
  ours: readonly Step[],
  theirs: readonly Step[],
  psnr: readonly [number, number],
): void {
  const median = (all: readonly Step[], key: "wall" | "cpu") => {
    const rest = all.slice(WARM).map((step) => step[key]).sort((a, b) => a - b);
    return rest[Math.floor(rest.length / 2)]!;
  };
  console.log("| | s per step | CPU s per step | loss at the end | PSNR of unseen pictures |");
  console.log("|---|---:|---:|---:|---:|");
  for (const [i, [name, all]] of ([["far", ours], ["PyTorch", theirs]] as const).entries()) {
    const [wall, cpu] = [median(all, "wall").toFixed(3), median(all, "cpu").toFixed(3)];
    const loss = all.at(-1)!.loss.toFixed(5);
    console.log(`| ${name} | ${wall} | ${cpu} | ${loss} | ${psnr[i]!.toFixed(2)} dB |`);
  }
  const ratio = (key: "wall" | "cpu") => (median(ours, key) / median(theirs, key)).toFixed(2);
  const apart = Math.max(...ours.map(({ loss }, i) => Math.abs(loss / theirs[i]!.loss - 1)));
  console.log(`\nfar / PyTorch: ${ratio("wall")} on the wall, ${ratio("cpu")} in CPU seconds;`);
  console.log(`losses of ${steps} steps apart by ${apart.toExponential(1)} at most, relatively`);
}
