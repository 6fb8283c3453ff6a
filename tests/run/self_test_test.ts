import assert from "node:assert/strict";
import goldens from "../../run/self_test_goldens.json" with { type: "json" };
import type { DeviceProfile, TuningTable } from "../../gpu/tuning.ts";
import { plainName } from "../../kernels/memory_forms.ts";
import { selfTest } from "../../run/self_test.ts";
import { SelfTestBench } from "../../run/self_test_bench.ts";
import { SELF_TESTS } from "../../run/self_test_cases.ts";
import { GPU_TEST, KERNELS as FORMS, testGpu } from "../support/gpu.ts";

const ROOT = `${import.meta.dirname}/../..`;
const SHUFFLED = new Proxy<TuningTable>({}, { get: () => ({ shuffle: 1 }) });
const PROFILES: readonly DeviceProfile[] = [
  { cpu: false },
  { cpu: true },
  { cpu: false, subgroupSize: 8, storageBuffers: 10, tuning: SHUFFLED },
];

/** Forms for activations in images, which only training makes. */
const IN_IMAGES = [
  "channel_norm_lanes",
  "conv2d_image",
  "conv2d_image_few",
  "copy",
  "pack_filters",
];

/** Shaders that inference can use: those of the wrappers that model/ and run/ import. */
function shadersOfInference(): string[] {
  const shaders = new Set<string>();
  const visit = (path: string) => {
    const text = Deno.readTextFileSync(`${ROOT}/${path}`).replace(/^import type .*$/gm, "");
    for (const [, name] of text.matchAll(/"(?:\.\.\/kernels|\.)\/(\w+)\.(?=ts"|wgsl")/g)) {
      const wrapper = `kernels/${name}.ts`;
      if (!path.startsWith("kernels/") && !text.includes(`../${wrapper}`)) continue;
      if (text.includes(`./${name}.wgsl"`)) shaders.add(name!);
      if (text.includes(`/${name}.ts"`)) visit(wrapper);
    }
  };
  for (const folder of ["model", "run"]) {
    for (const { name } of Deno.readDirSync(`${ROOT}/${folder}`)) {
      if (name.endsWith(".ts") && !name.startsWith("self_test")) visit(`${folder}/${name}`);
    }
  }
  return [...shaders].filter((name) => !IN_IMAGES.includes(name)).sort();
}

for (const by of ["own kernels", "GPU kernels"]) {
  Deno.test({ name: `selfTest() finds every family right, ${by}`, ...GPU_TEST }, async () => {
    const gpu = await testGpu();
    const before = gpu.allocatedBytes;
    const results = selfTest(gpu, undefined, FORMS[by]!(gpu));
    for await (const { family, ok, error, problem } of results) {
      assert.ok(ok, `${family}: ${problem ?? error}`);
    }
    assert.equal(gpu.allocatedBytes, before);
  });
}

Deno.test("selfTest() runs every kernel of inference", () => {
  const run = new Set<string>();
  for (const profile of PROFILES) {
    for (const test of SELF_TESTS) {
      const bench = new SelfTestBench(profile);
      bench.program.scope(() => void test.record(bench));
      for (const { kernel } of bench.program.recorded) run.add(plainName(kernel.name));
    }
  }
  const shaders = shadersOfInference();
  assert.ok(shaders.length >= 30);
  assert.deepEqual(shaders.filter((name) => !run.has(name)), []);
});

Deno.test(
  { name: "selfTest() finds a family wrong whose numbers differ", ...GPU_TEST },
  async () => {
    const norm = goldens["channel norm"];
    const wrong = { ...goldens, "channel norm": norm.map((v, i) => i === 11 ? v + 0.01 : v) };
    for await (const { family, ok } of selfTest(await testGpu(), wrong)) {
      assert.equal(ok, family !== "channel norm", family);
    }
  },
);

Deno.test("selfTest() has a golden of every family, and of nothing else", () => {
  assert.deepEqual(Object.keys(goldens), SELF_TESTS.map(({ family }) => family));
});
