/**
 * A denoising step in PyTorch and in far, in turns on the same machine: per frame the best median
 * of several rounds of each, as a row of a Markdown table. Seconds on the wall mean little on a
 * machine that others use; CPU seconds (of all cores together) then tell more.
 *
 *     deno run -A tools/compare_torch/compare.ts env/bin/python
 *     deno run -A tools/compare_torch/compare.ts env/bin/python FAR_B_Long 16,156,300
 */
import { Gpu, GpuTimer, measureStep, syntheticPipeline } from "../../mod.ts";

const ROUNDS = 2;
const SIZE = { height: 8, width: 8 };
const ROUND = { runs: 5, seconds: 0 };
const FRAMES = { FAR_B: "2,16,64,128", FAR_B_Long: "16,156,300" } as const;
type Architecture = keyof typeof FRAMES;

/** Medians of one round, by the wall's clock and of all cores together. */
interface Seconds {
  readonly wall: number;
  readonly cpu: number;
}

const [python, name = "FAR_B", list] = Deno.args;
if (!python || !(name in FRAMES)) {
  console.error("Say which Python has torch, then FAR_B or FAR_B_Long: env/bin/python FAR_B");
  Deno.exit(2);
}
const architecture = name as Architecture;
const frames = (list ?? FRAMES[architecture]).split(",").map(Number);

const gpu = await Gpu.open();
const timer = await GpuTimer.open(gpu);
const pipeline = await syntheticPipeline(gpu, { architecture, only: "transformer" });
console.log(
  "| frames before | PyTorch, s | far, s | PyTorch, CPU s | far, CPU s | ratio of CPU s |",
);
console.log("|---:|---:|---:|---:|---:|---:|");
for (const frame of frames) {
  const theirs: Seconds[] = [];
  const ours: Seconds[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await torchStep(frame));
    const step = { frame, kind: "later" } as const;
    const { seconds } = await measureStep(gpu, timer, pipeline.model, SIZE, step, ROUND);
    ours.push({ wall: seconds.wall.median, cpu: seconds.cpu.median });
  }
  const [torch, far] = [least(theirs), least(ours)];
  const cells = [torch.wall, far.wall, torch.cpu, far.cpu].map((seconds) => seconds.toFixed(3));
  console.log(`| ${frame} | ${cells.join(" | ")} | ${(far.cpu / torch.cpu).toFixed(1)} |`);
}
timer.close();
await pipeline.close();
await gpu.close();

/** The best of several rounds, by either clock. */
function least(rounds: readonly Seconds[]): Seconds {
  return {
    wall: Math.min(...rounds.map(({ wall }) => wall)),
    cpu: Math.min(...rounds.map(({ cpu }) => cpu)),
  };
}

/** A lean step in PyTorch. */
async function torchStep(frame: number): Promise<Seconds> {
  const script = new URL("bench.py", import.meta.url).pathname;
  const args = [script, "--architecture", architecture, "--frames", String(frame)];
  const { success, stdout } = await new Deno.Command(python!, {
    args: [...args, "--ways", "lean", "--runs", String(ROUND.runs)],
    stderr: "inherit",
    // threads that spin while they wait take each other's cores on a machine that is not quiet
    env: { OMP_WAIT_POLICY: Deno.env.get("OMP_WAIT_POLICY") ?? "passive" },
  }).output();
  if (!success) throw new Error(`Cannot run ${python} ${args.join(" ")}`);
  const { median_s, cpu_s } = JSON.parse(new TextDecoder().decode(stdout)).frames[0].lean.step;
  return { wall: median_s, cpu: cpu_s };
}
