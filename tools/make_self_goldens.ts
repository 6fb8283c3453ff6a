/**
 * Writes the goldens of `far doctor`: what every family of kernels and the demo model give on this
 * machine. Run it where the tests pass, so that the released code's goldens vouch for the numbers:
 *
 *     deno run -A tools/make_self_goldens.ts
 */
import { fileURLToPath } from "node:url";
import { runDemo } from "../commands/doctor/demo_run.ts";
import { DEMO, modelPath } from "../request/model_path.ts";
import { Gpu } from "../gpu/gpu.ts";
import { runSelfTest } from "../run/self_test.ts";
import { SELF_TESTS } from "../run/self_test_cases.ts";
import { loadPipeline } from "../released/load_pipeline.ts";

const round = (value: number) => Number(value.toPrecision(7));

async function write(path: string, json: unknown): Promise<void> {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  await Deno.writeTextFile(file, JSON.stringify(json));
  const fmt = new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", file] });
  if (!(await fmt.output()).success) throw new Error(`Cannot format ${path}`);
}

const gpu = await Gpu.open();
const kernels: Record<string, number[]> = {};
for (const test of SELF_TESTS) {
  kernels[test.family] = (await runSelfTest(gpu, test, { cpu: false })).map(round);
}
await write("run/self_test_goldens.json", kernels);
const pipeline = await loadPipeline(await modelPath(DEMO), { gpu, dtype: "f32" });
const { latents, pixels } = await runDemo(pipeline);
const demo = { latents: latents.map(round), pixels: pixels.map(round) };
await write("commands/doctor/demo_golden.json", demo);
await pipeline.close();
await gpu.close();
