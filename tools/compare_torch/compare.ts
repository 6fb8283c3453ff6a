/**
 * A denoising step in far and in PyTorch, in turns on the same machine: per frame the best median
 * of several rounds of each, as a row of a Markdown table. PyTorch works in two ways, see bench.py:
 * as the released code does, and lean. Seconds on the wall mean little on a machine that others use;
 * CPU seconds (of all cores together) then tell more.
 *
 *     deno run -A tools/compare_torch/compare.ts env/bin/python
 *     deno run -A tools/compare_torch/compare.ts env/bin/python FAR_B_Long 16,156,300
 */
import { GpuTimer } from "../../app.ts";
import { measureStep, syntheticPipeline } from "../../app_large.ts";
import { Gpu } from "../../mod.ts";
import { mediansOf, type Round, runTorch, type Seconds, secondsOf, WAYS } from "./torch.ts";

const ROUNDS = 2;
const SIZE = { height: 8, width: 8 };
const ROUND = { runs: 5, seconds: 0 };
const FRAMES = { FAR_B: "2,16,64,128", FAR_B_Long: "16,156,300" } as const;
type Architecture = keyof typeof FRAMES;

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
  "| frames before | far, s | released, s | lean, s | far, CPU s | released, CPU s | lean, CPU s |",
);
console.log("|---:|---:|---:|---:|---:|---:|---:|");
for (const frame of frames) {
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ ...await torchStep(frame), far: await farStep(frame) });
  }
  const ways = WAYS.map((way) => least(rounds.map((r) => r[way])));
  const cells = [...ways.map(({ wall }) => wall), ...ways.map(({ cpu }) => cpu)];
  console.log(`| ${frame} | ${cells.map((seconds) => seconds.toFixed(3)).join(" | ")} |`);
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

async function farStep(frame: number): Promise<Seconds> {
  const step = { frame, kind: "later" } as const;
  const { seconds } = await measureStep(gpu, timer, pipeline.model, SIZE, step, ROUND);
  return mediansOf(seconds);
}

/** A step in PyTorch, both ways. */
async function torchStep(frame: number): Promise<Omit<Round, "far">> {
  const args = ["--architecture", architecture, "--frames", `${frame}`, "--runs", `${ROUND.runs}`];
  const { lean, released } = (await runTorch(python!, "bench.py", args)).frames[0];
  return { released: secondsOf(released.step), lean: secondsOf(lean.step) };
}
