import golden from "./demo_golden.json" with { type: "json" };
import { selfTest } from "../../app.ts";
import { type Gpu, loadPipeline } from "../../mod.ts";
import { inFlags } from "../../cli/flags.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import { type Check, failed, ok } from "./check.ts";
import { type DemoRun, runDemo } from "./demo_run.ts";
import type { System } from "./system.ts";

/**
 * Largest allowed differences from the golden, in pixels from 0 to 1 and relative to the largest
 * latent. A device that adds in another order differs by about 1e-5 in f32; f16 rounds caches and
 * weights.
 */
const TOLERANCES = {
  f32: { latents: 2e-3, pixels: 5e-3 },
  f16: { latents: 5e-2, pixels: 8e-2 },
} as const;

/** Every family of kernels, then the demo model as a whole. */
export async function* runSelfTests(gpu: Gpu, system: System): AsyncGenerator<Check> {
  for await (const { family, ok: right, error, tolerance, problem } of selfTest(gpu)) {
    const name = `kernels: ${family}`;
    const detail = problem ??
      `differs by ${exponent(error!)}, the tolerance is ${exponent(tolerance)}`;
    yield right ? ok(name, detail) : failed(name, detail, mendKernels(family, system));
  }
  yield await checkDemo(gpu, system);
}

async function checkDemo(gpu: Gpu, system: System): Promise<Check> {
  const name = "demo model";
  try {
    const start = performance.now();
    const pipeline = await loadPipeline(await modelPath(DEMO), { gpu });
    try {
      const found = differences(await runDemo(pipeline));
      const { latents, pixels } = found;
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const detail = `${pipeline.dtype}, latents differ by ${exponent(latents)}, pixels by ` +
        `${exponent(pixels)}, ${seconds} s including loading`;
      return isTolerable(found, pipeline.dtype)
        ? ok(name, detail)
        : failed(name, detail, mendKernels("", system));
    } finally {
      await pipeline.close();
    }
  } catch (error) {
    return failed(name, inFlags((error as Error).message), mendKernels("", system));
  }
}

/** Largest differences between a run and the golden. */
interface Differences {
  readonly latents: number;
  readonly pixels: number;
}

/** Whether rounding explains differences; it never explains NaN. */
export function isTolerable({ latents, pixels }: Differences, dtype: "f32" | "f16"): boolean {
  const limits = TOLERANCES[dtype];
  return latents <= limits.latents && pixels <= limits.pixels;
}

/** Compares a run with the golden. */
export function differences(run: DemoRun, wanted: DemoRun = golden): Differences {
  const largest = (values: readonly number[], right: readonly number[]) =>
    Math.max(...right.map((value, i) => Math.abs(values[i]! - value)));
  const scale = Math.max(...wanted.latents.map(Math.abs));
  return {
    latents: largest(run.latents, wanted.latents) / scale,
    pixels: largest(run.pixels, wanted.pixels),
  };
}

/** Wrong results come from drivers: a newer one, another backend, or f32 avoids them. */
function mendKernels(family: string, { names, root }: System): string {
  if (family.endsWith("f16")) return "export FAR_DTYPE=f32";
  const debian = names.includes("debian") || names.includes("ubuntu");
  const update = `${root ? "" : "sudo "}apt-get install --only-upgrade -y mesa-vulkan-drivers`;
  const driver = debian ? update : "update your graphics driver";
  return `${driver}; or try --backend ${names.includes("windows") ? "dx12" : "gl"}`;
}

function exponent(value: number): string {
  return Number.isNaN(value) ? "not a number" : value.toExponential(1);
}
