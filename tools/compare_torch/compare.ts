/**
 * A denoising step in far and in PyTorch, in turns on the same machine: per frame the best median
 * of several rounds of each, as a row of a Markdown table. PyTorch works in two ways, see bench.py:
 * as the released code does, and lean. Seconds on the wall mean little on a machine that others use;
 * CPU seconds (of all cores together) then tell more.
 *
 *     deno run -A tools/compare_torch/compare.ts env/bin/python
 *     deno run -A tools/compare_torch/compare.ts env/bin/python FAR_B_Long 16,156,300
 */
import { fileURLToPath } from "node:url";
import { GpuTimer } from "../../app.ts";
import { measureStep, syntheticPipeline } from "../../app_large.ts";
import { Gpu } from "../../mod.ts";

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
  "| frames before | far, s | released, s | lean, s | far, CPU s | released, CPU s | lean, CPU s |",
);
console.log("|---:|---:|---:|---:|---:|---:|---:|");
for (const frame of frames) {
  const rounds: { readonly far: Seconds; readonly released: Seconds; readonly lean: Seconds }[] =
    [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ ...await torchStep(frame), far: await farStep(frame) });
  }
  const ways = (["far", "released", "lean"] as const).map((way) =>
    least(rounds.map((r) => r[way]))
  );
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
  return { wall: seconds.wall.median, cpu: seconds.cpu.median };
}

/** A step in PyTorch, both ways. */
async function torchStep(frame: number): Promise<{ released: Seconds; lean: Seconds }> {
  const script = fileURLToPath(new URL("bench.py", import.meta.url));
  const args = [script, "--architecture", architecture, "--frames", String(frame)];
  const { success, stdout } = await new Deno.Command(python!, {
    args: [...args, "--runs", String(ROUND.runs)],
    stderr: "inherit",
    // threads that spin while they wait take each other's cores on a machine that is not quiet
    env: { OMP_WAIT_POLICY: Deno.env.get("OMP_WAIT_POLICY") ?? "passive" },
  }).output();
  if (!success) throw new Error(`Cannot run ${python} ${args.join(" ")}`);
  const { lean, released } = JSON.parse(new TextDecoder().decode(stdout)).frames[0];
  const seconds = ({ step }: typeof lean) => ({ wall: step.median_s, cpu: step.cpu_s });
  return { released: seconds(released), lean: seconds(lean) };
}
