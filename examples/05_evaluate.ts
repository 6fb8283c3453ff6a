/**
 * Evaluates as the paper does: context frames are given, the model goes on, and what it makes is
 * compared with the rest of the clip, frame by frame (PSNR, SSIM), averaged over clips and seeds.
 * A data set is a folder of .npz clips (`video`, `actions`), and a row of the table:
 *
 *     deno run -A examples/05_evaluate.ts [--model NAME] [--context N] [--frames N] [--steps N]
 *       [--seeds LIST] [FOLDER...]
 *
 * The demo's own clips stand in where no folder is named. DMLab as the paper has it:
 *
 *     deno run -A examples/05_evaluate.ts --model FAR_B_Long_dmlab_res64_1000K_bs32 \
 *       --context 144 --frames 156 --seeds 0 dmlab
 */
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: "demo" },
    context: { type: "string", default: "12" },
    frames: { type: "string", default: "8" },
    steps: { type: "string" }, // the model's own
    seeds: { type: "string", default: "0,2" },
  },
});
const sets = positionals.length > 0 ? positionals : [join(root, "weights/demo/clips")];
const { model, context, frames, steps } = values;

/** Runs far and gives what it wrote to stdout. */
async function far(...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", join(root, "cli.ts"), ...args],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`far ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}

/** Means over all clips and seeds of a data set. */
async function evaluate(set: string, folder: string): Promise<{ psnr: number; ssim: number }> {
  const clips = [...Deno.readDirSync(set)].map(({ name }) => name).filter((n) => /\.npz$/.test(n));
  // one job a clip and seed; the model is loaded once. Exact pixels: a lossy video would move PSNR
  const jobs = clips.sort().flatMap((clip) =>
    values.seeds.split(",").map((seed) => ({
      ...{ context: resolve(set, clip), "context-frames": Number(context), seed },
      ...{ frames: Number(frames), ...steps ? { steps: Number(steps) } : {} },
      output: `${clip}-${seed}.npz`,
    }))
  );
  await Deno.writeTextFile(
    join(folder, "jobs.jsonl"),
    jobs.map((j) => JSON.stringify(j)).join("\n"),
  );
  await far("batch", join(folder, "jobs.jsonl"), "--model", model, "--out-dir", folder);
  const sum = { psnr: 0, ssim: 0 };
  for (const { context: clip, output } of jobs) {
    const pick = ["--start", context, "--frames", frames, "--json"];
    const { overall } = JSON.parse(await far("compare", clip, join(folder, output), ...pick));
    sum.psnr += overall.psnr;
    sum.ssim += overall.ssim;
  }
  return { psnr: sum.psnr / jobs.length, ssim: sum.ssim / jobs.length };
}

console.log(`| data set | context -> made | PSNR | SSIM |\n|---|---|---|---|`);
for (const set of sets) {
  const folder = await Deno.makeTempDir();
  const { psnr, ssim } = await evaluate(set, folder);
  await Deno.remove(folder, { recursive: true });
  console.log(
    `| ${basename(set)} | ${context} -> ${frames} | ${psnr.toFixed(2)} | ${ssim.toFixed(3)} |`,
  );
}
