/**
 * Evaluates as the paper does: context frames are given, the model goes on, and what it makes is
 * compared with the rest of the clip, frame by frame (PSNR, SSIM), averaged over clips and seeds.
 *
 *     deno run -A examples/05_evaluate.ts [CONTEXT FRAMES STEPS SEEDS]
 *
 * The demo's own clips stand in for a data set. For DMLab as the paper has it: the clips of its
 * test set, --model FAR_B_Long_dmlab_res64_1000K_bs32, 144 156 50 0.
 */
import { fileURLToPath } from "node:url";

const root = new URL("..", import.meta.url);
const [context, frames, steps] = [12, 8, 8].map((usual, i) => Number(Deno.args[i] ?? usual));
const seeds = (Deno.args[3] ?? "0,2").split(",");
const clips = [0, 1, 2, 3].map((i) => fileURLToPath(new URL(`weights/demo/clips/${i}.npz`, root)));

/** Runs far and gives what it wrote to stdout. */
async function far(...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", fileURLToPath(new URL("cli.ts", root)), ...args],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`far ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}

// one job a clip and seed; the model is loaded once. Exact pixels: a lossy video would move PSNR
const folder = await Deno.makeTempDir();
const jobs = clips.flatMap((clip, i) =>
  seeds.map((seed) => ({
    ...{ id: `${i}-${seed}`, context: clip, "context-frames": context, frames, steps, seed },
    output: `${i}-${seed}.npz`,
  }))
);
await Deno.writeTextFile(`${folder}/jobs.jsonl`, jobs.map((job) => JSON.stringify(job)).join("\n"));
await far("batch", `${folder}/jobs.jsonl`, "--out-dir", folder, "--quiet");

const scores: Record<string, number>[] = [];
for (const { context: clip, output } of jobs) {
  const pick = ["--start", String(context), "--frames", String(frames), "--json"];
  scores.push(JSON.parse(await far("compare", clip, `${folder}/${output}`, ...pick)).overall);
}
await Deno.remove(folder, { recursive: true });
const mean = (name: string) => scores.reduce((sum, score) => sum + score[name]!, 0) / scores.length;
console.error(`| data set | frames | PSNR | SSIM |\n|---|---|---|---|`);
const range = `${context} -> ${frames}`;
console.error(`| maze | ${range} | ${mean("psnr").toFixed(2)} | ${mean("ssim").toFixed(3)} |`);
