/**
 * Kills a training run with SIGKILL, SIGTERM or SIGINT at random moments, again and again, and
 * repeats the same command until it finishes; then everything it wrote must equal, byte for byte,
 * the output of a run that was never killed. After each kill the folder must still be sound.
 *
 *     deno run -A tools/soak_train.ts [RUNS] [SEED]
 *
 * Linux only. A run dies about ten times and takes some two minutes on two cores.
 */
import { join, relative } from "node:path";
import { startFar } from "../tests/batch/batch_process.ts";
import { encodeNpz } from "../media/npz.ts";
import { transformerShapes } from "../released/architecture.ts";
import { CHECKPOINTS, loadCheckpoint } from "../train/folder/checkpoint.ts";
import { openModelFolder } from "../weights/model_folder.ts";
import { randomOf } from "./random.ts";

const MODEL = `${import.meta.dirname}/../tests/fixtures/goldens/far-action`;
const STEPS = 24;
/** From before the data is read to some steps. */
const LONGEST_MS = 7000;
const SIGNALS = ["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT"] as const;
/** What may differ between runs: times. */
const OWN = new Set(["report.html", "README.md", ".lock", "settings.json"]);

const [runs = 5, seed = 1] = Deno.args.map(Number);
const random = randomOf(seed);
const folder = await Deno.makeTempDir({ prefix: "far-soak-train-" });
const tally = { runs: 0, deaths: {} as Record<string, number>, soundChecks: 0, different: 0 };

/** Recorded play of noise: six clips of 8 frames. */
async function writeClips(): Promise<string> {
  const clips = join(folder, "clips");
  await Deno.mkdir(clips);
  const [frames, side] = [8, 32];
  for (let clip = 0; clip < 6; clip++) {
    const pixels = Uint8Array.from({ length: frames * side * side * 3 }, () => 256 * random());
    const actions = BigInt64Array.from({ length: frames }, () => BigInt(Math.floor(4 * random())));
    const archive = encodeNpz({
      video: { type: "|u1", shape: [frames, side, side, 3], data: pixels },
      actions: { type: "<i8", shape: [frames], data: actions },
    });
    await Deno.writeFile(join(clips, `${clip}.npz`), archive);
  }
  return clips;
}

function commandOf(clips: string, output: string, lora: boolean): string[] {
  const sizes = ["--steps", STEPS, "--batch", 2, "--frames", 4, "--size", "32x32", "--ema", 0.9];
  const often = ["--save-every", 3, "--keep", 3, "--sample-every", 7, "--validate-every", 5];
  const more = lora ? ["--lora", 4] : [];
  const all = ["train", clips, "-o", output, "-m", MODEL, "--held-out", 0.2, ...sizes, ...often];
  return [...all, ...more].map(String);
}

/** Runs until the end, or until it is killed. @returns whether it reached its end */
async function runOnce(command: string[], mayDie: boolean): Promise<boolean> {
  const { child, ended } = startFar(...command);
  if (mayDie) {
    const timer = setTimeout(() => {
      const signal = SIGNALS[Math.floor(random() * SIGNALS.length)]!;
      tally.deaths[signal] = (tally.deaths[signal] ?? 0) + 1;
      child.kill(signal);
    }, random() * LONGEST_MS);
    ended.finally(() => clearTimeout(timer));
  }
  const { code, signal, stderr } = await ended;
  const killed = signal === "SIGKILL" || code === 130 || code === 143;
  if (code === 0 || killed) return code === 0;
  throw new Error(`far ended with ${signal ?? code}: ${stderr}`);
}

/** A model that loads, checkpoints that load, and lines that are whole. @throws what is wrong */
async function checkSound(run: string): Promise<void> {
  tally.soundChecks++;
  const there = (name: string) => Deno.stat(join(run, name)).then(() => true, () => false);
  if (await there("model_index.json")) {
    const { transformer, vae } = await openModelFolder(run);
    for (const part of [transformer, vae]) (await part.open()).close();
  }
  if (!await there(CHECKPOINTS)) return;
  const { transformer: { config } } = await openModelFolder(MODEL);
  for await (const { name } of Deno.readDir(join(run, CHECKPOINTS))) {
    if (name.startsWith(".")) continue;
    await loadCheckpoint(join(run, CHECKPOINTS, name), transformerShapes(config));
  }
}

/** Files of a run by name, without what may differ. */
async function filesOf(run: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const visit = async (path: string) => {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const whole = join(path, name);
      if (isDirectory) await visit(whole);
      else if (!OWN.has(name)) files.set(relative(run, whole), await read(whole));
    }
  };
  await visit(run);
  return files;
}

/** A log's lines without their seconds, and far.json without the folder's name. */
async function read(path: string): Promise<Uint8Array> {
  const plain = (text: string) => text.replace(/"(seconds|path|name)": ?("[^"]*"|[\d.]+),?/g, "");
  if (!/log\.jsonl$|far\.json$/.test(path)) return await Deno.readFile(path);
  return new TextEncoder().encode(plain(await Deno.readTextFile(path)));
}

/** A stopped run has other intermediate checkpoints; the last one must be the same. */
function isCompared(name: string): boolean {
  return !name.startsWith(`${CHECKPOINTS}/`) || name.startsWith(`${CHECKPOINTS}/step-${STEPS}/`);
}

function compare(one: Map<string, Uint8Array>, other: Map<string, Uint8Array>): string[] {
  const names = new Set([...one.keys(), ...other.keys()].filter(isCompared));
  return [...names].filter((name) => {
    const [a, b] = [one.get(name), other.get(name)];
    return !a || !b || a.length !== b.length || a.some((byte, i) => byte !== b[i]);
  });
}

const clips = await writeClips();
const whole = new Map<boolean, Map<string, Uint8Array>>();
for (const lora of [false, true]) {
  const output = join(folder, `whole-${lora}`);
  await runOnce(commandOf(clips, output, lora), false);
  whole.set(lora, await filesOf(output));
}
for (let i = 0; i < runs; i++) {
  const lora = i % 3 === 2;
  const output = join(folder, `killed-${i}`);
  const command = commandOf(clips, output, lora);
  for (let tries = 0; !await runOnce(command, tries < 30); tries++) await checkSound(output);
  const different = compare(await filesOf(output), whole.get(lora)!);
  tally.runs++;
  tally.different += different.length;
  if (different.length > 0) console.error(`${output} differs: ${different.join(", ")}`);
  else await Deno.remove(output, { recursive: true });
  console.error(JSON.stringify(tally));
}
if (tally.different === 0) await Deno.remove(folder, { recursive: true });
console.error(
  `${tally.runs} runs, ${JSON.stringify(tally.deaths)}, ${tally.different} files differ`,
);
Deno.exit(tally.different === 0 ? 0 : 1);
