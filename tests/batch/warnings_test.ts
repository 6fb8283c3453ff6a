import assert from "node:assert/strict";
import { Warnings } from "../../batch/warnings.ts";
import { stage } from "./fake_batch.ts";

Deno.test("Warnings has one line for each kind, with the number of jobs", () => {
  const warnings = new Warnings();
  const about = (frames: number) => ({ kind: "length", text: `${frames} frames are many` });
  assert.equal(warnings.add("jobs:2", about(100)), "warning: jobs:2: 100 frames are many");
  assert.equal(warnings.add("jobs:3", about(101)), undefined);
  assert.equal(
    warnings.add("jobs:4", { kind: "codec", text: "unused" }),
    "warning: jobs:4: unused",
  );
  assert.equal(warnings.add("jobs:5", about(102)), undefined);
  assert.deepEqual(warnings.lines(), [
    "warning: jobs:2 and 2 more jobs: 100 frames are many",
    "warning: jobs:4: unused",
  ]);
});

const JOB = { frames: 1, steps: 1, size: "64x64", output: "{id}.safetensors" };
const SIZE = /jobs\.jsonl:1 and 999 more jobs: far-uncond was trained at 64x64: 32x32 may look/;
const LENGTH = /jobs\.jsonl:1: 80 frames are many more than the \d+ that far-uncond is made for/;

/** A manifest line, and the warnings before anything runs. */
const CASES: readonly [Record<string, unknown>, RegExp[]][] = [
  [{}, []],
  [{ seed: { range: [0, 1000] }, size: "32x32" }, [SIZE]],
  [{ frames: 80 }, [LENGTH]],
  [{ frames: { range: [80, 300] } }, [/jobs\.jsonl:1 and 219 more jobs: 80 frames are many/]],
  [{ frames: 80, flexrope: 0.06 }, []],
  [{ frames: 1, context: "tests/fixtures/clips/dmlab-5.npz", "context-frames": 79 }, [LENGTH]],
  [{ guidance: 2 }, [/jobs\.jsonl:1: --guidance 2 changes nothing/]],
  [{ output: ["{id}.gif", "{id}.png"], fps: 60 }, [/-?\w*\.gif plays at 50 frames per second/]],
  [{ codec: "hevc" }, [/--codec hevc changes nothing in \w+\.safetensors/]],
];

for (const [fields, expected] of CASES) {
  Deno.test(`runBatch() warns before jobs of ${JSON.stringify(fields)} run`, () =>
    stage(async ({ run }) => {
      const { error, terminal: { stderr } } = await run([{ id: "a", ...JOB, ...fields }], {
        dryRun: true,
      });
      assert.equal(error, undefined);
      assert.equal(stderr.length, expected.length, stderr.join("\n"));
      for (const [i, pattern] of expected.entries()) assert.match(stderr[i]!, pattern);
    }));
}

Deno.test("runBatch() refuses a guidance without meaning before anything runs", () =>
  stage(async ({ run }) => {
    const { error, ran } = await run([{ id: "a", ...JOB }, { id: "b", ...JOB, guidance: 0 }]);
    assert.match(error!.message, /"guidance" in jobs\.jsonl:2: --guidance 0: give 1 \(off\)/);
    assert.deepEqual(ran, []);
  }));

Deno.test("runBatch() warns of nothing with --quiet", () =>
  stage(async ({ run }) => {
    const { terminal } = await run([{ id: "a", ...JOB, size: "32x32" }], { quiet: true });
    assert.deepEqual(terminal.stderr, []);
  }));
