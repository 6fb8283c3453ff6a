import assert from "node:assert/strict";
import { join } from "node:path";
import { kill, startFar } from "../../batch/batch_process.ts";
import { HAS_REDIS, RedisServer } from "../../batch/redis_server.ts";
import { GPU_TEST } from "../../support/gpu.ts";
import { makeQuickDemo } from "../../support/quick_demo.ts";

const ignore = Deno.build.os !== "linux";

/** A small model and two clips of it. */
async function inStage(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await makeQuickDemo(join(folder, "model"));
    await Deno.mkdir(join(folder, "clips"));
    for (const name of ["0.npz", "1.npz"]) {
      await Deno.rename(join(folder, "model", "clips", name), join(folder, "clips", name));
    }
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function evaluate(folder: string, name: string, ...more: string[]) {
  const out = ["--out-dir", join(folder, "out", name), "-o", join(folder, `${name}.json`)];
  const how = ["--context-frames", "3", "--frames", "1", "--steps", "2", "--seeds", "0,1,2"];
  return startFar(
    ...["evaluate", join(folder, "model"), join(folder, "clips")],
    ...[...how, ...out, ...more],
  );
}

/** What was measured, wherever it was made. */
async function measured(folder: string, name: string): Promise<unknown> {
  const { overall, frames, clips } = JSON.parse(
    await Deno.readTextFile(join(folder, `${name}.json`)),
  );
  return { overall, frames, clips };
}

Deno.test({
  name: "far evaluate --shard makes parts, of which the whole reports what one run measures",
  ...GPU_TEST,
  ignore,
  fn: () =>
    inStage(async (folder) => {
      const whole = await evaluate(folder, "whole").ended;
      assert.equal(whole.code, 0, whole.stderr);
      for (const shard of ["0/2", "1/2"]) {
        const { code, stderr } = await evaluate(folder, "parts", "--shard", shard).ended;
        assert.equal(code, 0, stderr);
        const missing = /[0-9]+ files? of other shards are missing/.test(stderr);
        assert.equal(missing, shard === "0/2", stderr);
      }
      assert.deepEqual(await measured(folder, "parts"), await measured(folder, "whole"));
    }),
});

Deno.test({
  name: "far evaluate --redis has workers make what it measures",
  ...GPU_TEST,
  ignore: ignore || !HAS_REDIS,
  fn: () =>
    inStage(async (folder) => {
      await using server = await RedisServer.start();
      const out = join(folder, "out");
      await Deno.mkdir(out);
      const place = ["--out-dir", out, "--in-dir", folder];
      const worker = startFar("worker", "--redis", server.url, ...place);
      try {
        const whole = await evaluate(folder, "whole").ended;
        assert.equal(whole.code, 0, whole.stderr);
        const { code, stderr } = await evaluate(folder, "queued", "--redis", server.url).ended;
        assert.equal(code, 0, stderr);
        assert.deepEqual(await measured(folder, "queued"), await measured(folder, "whole"));
      } finally {
        kill(worker.child.pid);
        await worker.ended;
      }
    }),
});
