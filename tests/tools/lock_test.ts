import assert from "node:assert/strict";
import settings from "../../deno.json" with { type: "json" };

Deno.test("every task and CI runs with the lock file as it is", async () => {
  assert.deepEqual(settings.lock, { path: "deno.lock", frozen: true });
  // Dawn alone is not in the lock file: a large package that only kernels' authors load.
  const { "gpu-dawn": _, ...tasks } = settings.tasks;
  for (const [name, command] of Object.entries(tasks)) {
    assert.doesNotMatch(command, /--no-lock|--frozen=false|--no-config|--config/, name);
  }
  const folder = new URL("../../.github/workflows/", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(name, folder));
    assert.doesNotMatch(text, /--no-lock|--frozen=false|--no-config/, name);
  }
});
