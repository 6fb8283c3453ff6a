import assert from "node:assert/strict";
import goldens from "../../run/self_test_goldens.json" with { type: "json" };
import { selfTest } from "../../run/self_test.ts";
import { SelfTestBench } from "../../run/self_test_bench.ts";
import { SELF_TESTS } from "../../run/self_test_cases.ts";
import { GPU_TEST, KERNELS as FORMS, testGpu } from "../support/gpu.ts";

const KERNELS = new URL("../../kernels/", import.meta.url);

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

Deno.test("selfTest() runs every kernel there is", () => {
  const run = new Set<string>();
  for (const profile of [{ cpu: false }, { cpu: true }]) {
    for (const test of SELF_TESTS) {
      const bench = new SelfTestBench(profile);
      bench.program.scope(() => void test.record(bench));
      for (const label of bench.program.labels) run.add(label);
    }
  }
  const all = [...Deno.readDirSync(KERNELS)].map(({ name }) => name)
    .filter((name) => name.endsWith(".wgsl")).map((name) => name.replace(".wgsl", ""));
  // those that measure a device's peaks belong to far bench
  assert.deepEqual(all.filter((name) => !run.has(name) && !name.startsWith("peak_")), []);
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
