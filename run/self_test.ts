import goldens from "./self_test_goldens.json" with { type: "json" };
import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import { SelfTestBench } from "./self_test_bench.ts";
import { SELF_TESTS, type SelfTestCase } from "./self_test_cases.ts";

/** Result of one family of kernels on this device. */
export interface SelfTestResult {
  /** Which kernels. */
  readonly family: string;
  /** Whether they ran and the error is within the tolerance. */
  readonly ok: boolean;
  /** Largest difference to the golden relative to its largest number; absent if it did not run. */
  readonly error?: number;
  /** The largest error allowed. */
  readonly tolerance: number;
  /** The device's error, if it did not run. */
  readonly problem?: string;
}

/** Values of each family's results that are stored as its golden. */
const SAMPLES = 40;

/**
 * Runs every family of kernels once, on small inputs, and compares it with results of a device
 * whose kernels all agreed with the plain references of the tests.
 * @param profile decides the forms of kernels: by default those that the device uses. (Others may
 *   take their compiler long: those for GPUs, Mesa 25 on a CPU 70 s.)
 * @param wanted chooses families (all)
 */
export async function* selfTest(
  gpu: Gpu,
  known: Readonly<Record<string, readonly number[]>> = goldens,
  profile: DeviceProfile = gpu.adapter,
  wanted: (family: string) => boolean = () => true,
): AsyncGenerator<SelfTestResult, void, void> {
  for (const test of SELF_TESTS.filter(({ family }) => wanted(family))) {
    yield await judge(gpu, test, known[test.family] ?? [], profile);
  }
}

async function judge(
  gpu: Gpu,
  test: SelfTestCase,
  golden: readonly number[],
  profile: DeviceProfile,
): Promise<SelfTestResult> {
  const { family, tolerance } = test;
  try {
    const scale = Math.max(...golden.map(Math.abs));
    let error = 0;
    const values = await runSelfTest(gpu, test, profile);
    for (const [i, wanted] of golden.entries()) {
      error = Math.max(error, Math.abs(values[i]! - wanted) / scale); // NaN stays NaN
    }
    return { family, tolerance, error, ok: error <= tolerance };
  } catch (error) {
    return { family, tolerance, ok: false, problem: (error as Error).message };
  }
}

/** The sampled results of one family, as goldens are made of. @throws {GpuError} */
export async function runSelfTest(
  gpu: Gpu,
  test: SelfTestCase,
  profile: DeviceProfile,
): Promise<number[]> {
  const bench = new SelfTestBench(profile);
  const results: ReturnType<SelfTestCase["record"]>[] = [];
  bench.program.scope(() => {
    results.push(test.record(bench));
  });
  const values = await bench.run(gpu, results.flat());
  const count = Math.min(SAMPLES, values.length);
  // a stride coprime to the shapes, so that all columns are sampled
  return Array.from({ length: count }, (_, i) => values[(i * 7919) % values.length]!);
}
