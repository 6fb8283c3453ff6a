import assert from "node:assert/strict";
import { main } from "../../../cli.ts";
import { recorder } from "../../support/recorder.ts";

Deno.test({
  name: "far doctor --json tests this machine and reports everything",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const terminal = recorder();
    assert.equal(await main(["doctor", "--json"], terminal), 0);
    assert.deepEqual(terminal.stderr, []);
    const report = JSON.parse(terminal.stdout);
    for (const name of ["far", "deno", "os", "arch", "system", "adapters", "codecs"]) {
      assert.ok(name in report, name);
    }
    const names: string[] = report.checks.map(({ name }: { name: string }) => name);
    assert.ok(names.filter((name) => name.startsWith("kernels: ")).length >= 10);
    assert.equal(names.at(-1), "demo model");
    assert.ok(report.checks.every(({ status }: { status: string }) => status !== "failed"));
  },
});

Deno.test("far doctor --devices lists adapters, a name and a kind on each line", async () => {
  const terminal = recorder();
  assert.equal(await main(["doctor", "--devices"], terminal), 0);
  assert.match(terminal.stdout, /^(.+\t(CPU|GPU)\n)+$/);
});
