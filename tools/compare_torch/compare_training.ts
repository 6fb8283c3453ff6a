/**
 * A training step in far and in PyTorch, in turns on the same machine: the best of several rounds of
 * each, as a row of a Markdown table, for the demo's architecture (8 clips of 16 frames) and for FAR_B
 * (one clip). PyTorch works in two ways, see train.py: as the released code does, and lean. Seconds
 * on the wall mean little on a machine that others use; CPU seconds (of all cores together) then tell
 * more, and far's share of PyTorch's in the same round tells most.
 *
 *     deno run -A tools/compare_torch/compare_training.ts env/bin/python
 *     deno run -A tools/compare_torch/compare_training.ts env/bin/python FAR_B 5
 */
import { fileURLToPath } from "node:url";
import { GpuTimer } from "../../app.ts";
import { measureTrainStep, syntheticPipeline } from "../../app_large.ts";
import { Gpu, loadPipeline } from "../../mod.ts";
import { mediansOf, type Round, runTorch, type Seconds, secondsOf, WAYS } from "./torch.ts";

const CASES = {
  demo: { videos: 8, frames: 16, height: 4, width: 4 },
  FAR_B: { videos: 1, frames: 16, height: 8, width: 8 },
} as const;
type Architecture = keyof typeof CASES;
const DEMO = fileURLToPath(new URL("../../weights/demo", import.meta.url));

const [python, name, rounds = "3"] = Deno.args;
if (!python || (name !== undefined && !(name in CASES))) {
  console.error("Say which Python has torch, then demo or FAR_B, and how many rounds");
  Deno.exit(2);
}
const names = name ? [name as Architecture] : Object.keys(CASES) as Architecture[];
console.log(
  "| step | far, CPU s | released | lean | far / released | far / lean | wall s: far | released | lean |",
);
console.log("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
for (const architecture of names) {
  const measured: Round[] = [];
  for (let round = 0; round < Number(rounds); round++) {
    measured.push({ ...await torchStep(architecture), far: await farStep(architecture) });
  }
  console.log(row(architecture, measured));
}

/** The best of each way, and the median of the rounds' ratios. */
function row(architecture: Architecture, measured: readonly Round[]): string {
  const best = (way: typeof WAYS[number], clock: keyof Seconds) =>
    Math.min(...measured.map((round) => round[way][clock])).toFixed(2);
  const ratio = (way: "released" | "lean") => {
    const sorted = measured.map(({ far, [way]: other }) => far.cpu / other.cpu);
    return sorted.sort((a, b) => a - b)[sorted.length >> 1]!.toFixed(2);
  };
  const { videos, frames } = CASES[architecture];
  const cells = [
    `${architecture}, ${videos} x ${frames} frames`,
    ...WAYS.map((way) => best(way, "cpu")),
    ratio("released"),
    ratio("lean"),
    ...WAYS.map((way) => best(way, "wall")),
  ];
  return `| ${cells.join(" | ")} |`;
}

async function farStep(architecture: Architecture): Promise<Seconds> {
  const gpu = await Gpu.open();
  const timer = await GpuTimer.open(gpu);
  const pipeline = architecture === "demo"
    ? await loadPipeline(DEMO, { gpu })
    : await syntheticPipeline(gpu, { architecture, only: "transformer" });
  try {
    const { sizes } = pipeline.model;
    const runs = { runs: 3, seconds: 0 };
    const { seconds } = await measureTrainStep(gpu, timer, sizes, CASES[architecture], runs);
    return mediansOf(seconds);
  } finally {
    timer.close();
    await pipeline.close();
    await gpu.close();
  }
}

/** A step in PyTorch, both ways. */
async function torchStep(architecture: Architecture): Promise<Omit<Round, "far">> {
  const args = ["--architecture", architecture, "--runs", "3"];
  const { lean, released } = await runTorch(python!, "train.py", args);
  return { released: secondsOf(released), lean: secondsOf(lean) };
}
