import assert from "node:assert/strict";
import { join } from "node:path";
import { run as generate } from "../../../commands/generate/run.ts";
import { InterruptedError, UsageError } from "../../../cli/errors.ts";
import type { GenerateValues } from "../../../request/request.ts";
import { readFloats, SafetensorsFile } from "../../../weights/safetensors.ts";
import { GOLDENS } from "../../support/far.ts";
import { GPU_TEST, onTestGpu } from "../../support/gpu.ts";
import { recorder } from "../../support/recorder.ts";

interface Stage {
  path(name: string): string;
  /** Runs far generate; its progress can stop it. */
  run(options: GenerateValues, stopAt?: number): Promise<void>;
}

async function stage(body: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const run: Stage["run"] = async (options, stopAt) => {
    const abort = new AbortController();
    const terminal = recorder();
    const note = (line: string) => {
      const done = line.startsWith("{") ? JSON.parse(line).done : 0;
      if (done === stopAt) abort.abort(new InterruptedError("SIGTERM"));
    };
    const call = {
      options: { ...options, progress: "json" as const },
      operands: [],
      terminal: { ...terminal, note, print: () => Promise.resolve() },
      signal: abort.signal,
    };
    await onTestGpu(() => generate(call));
  };
  try {
    await body({ path: (name) => join(folder, name), run });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function tensors(path: string): Promise<Record<string, Float32Array>> {
  const file = await SafetensorsFile.open(path);
  try {
    return { frames: await readFloats(file, "frames"), latents: await readFloats(file, "latents") };
  } finally {
    file.close();
  }
}

async function framesIn(path: string): Promise<number> {
  const file = await SafetensorsFile.open(path);
  file.close();
  return file.tensors.get("latents")!.shape[1]!;
}

const TINY: GenerateValues = {
  model: `${GOLDENS}far-uncond`,
  frames: 7,
  steps: 2,
  size: { width: 32, height: 32 },
  seed: 5n,
};

const RUNS: Record<string, GenerateValues> = {
  "two videos": { ...TINY, count: 2 },
  "actions and a long context": {
    ...TINY,
    model: `${GOLDENS}far-long`,
    guidance: 1.5,
    actions: "0*3,1*4",
  },
  "context frames": { ...TINY, frames: 5, size: undefined, context: "made.safetensors" },
};

for (const [what, options] of Object.entries(RUNS)) {
  Deno.test(
    { name: `far generate --resume makes the same frames: ${what}`, ...GPU_TEST },
    () =>
      stage(async ({ path, run }) => {
        const given = { ...options };
        if (given.context) {
          given.context = path(given.context);
          await run({ ...TINY, frames: 3, seed: 9n, output: [given.context] });
        }
        const checkpoint = path("run.safetensors");
        await run({
          ...given,
          output: [path("whole.safetensors")],
          checkpoint,
          checkpointEvery: 3,
        });
        const context = given.context ? 3 : 0;
        assert.equal(await framesIn(checkpoint), context + Math.floor(given.frames! / 3) * 3);
        await run({ resume: checkpoint, output: [path("resumed.safetensors")] });
        const whole = await tensors(path("whole.safetensors"));
        const resumed = await tensors(path("resumed.safetensors"));
        assert.deepEqual(resumed, whole);
      }),
  );
}

Deno.test(
  { name: "far generate keeps finished frames when it is stopped", ...GPU_TEST },
  () =>
    stage(async ({ path, run }) => {
      const checkpoint = path("run.safetensors");
      const resume = checkpoint; // not there yet: the run begins
      const options = { ...TINY, output: [path("out.safetensors")], checkpoint, resume };
      await assert.rejects(run(options, 4), {
        name: "InterruptedError",
        message: /^Stopped by SIGTERM: 4 frames are kept, --resume .*run\.safetensors continues$/,
      });
      assert.deepEqual([...Deno.readDirSync(path("."))].map(({ name }) => name), [
        "run.safetensors",
      ]);
      assert.equal(await framesIn(checkpoint), 4);
      await run(options);
      await run({ ...TINY, output: [path("whole.safetensors")] });
      const resumed = await tensors(path("out.safetensors"));
      assert.deepEqual(resumed, await tensors(path("whole.safetensors")));
    }),
);

Deno.test("far generate looks at its checkpoint before it computes anything", () =>
  stage(async ({ path, run }) => {
    const output = [path("out.safetensors")];
    const refused = (options: GenerateValues, message: RegExp) =>
      assert.rejects(run({ ...TINY, output, ...options }), { message });
    await refused({ checkpointEvery: 3 }, /--checkpoint-every alone: give --checkpoint/);
    await refused({ checkpoint: path("run.mp4") }, /its name must end in \.safetensors/);
    await refused({ checkpoint: output[0] }, /it is also an output/);
    await refused({ checkpoint: path("none/run.safetensors") }, /there is no folder/);
    assert.deepEqual([...Deno.readDirSync(path("."))], []);
  }));

Deno.test(
  { name: "far generate continues only with the settings it was started with", ...GPU_TEST },
  () =>
    stage(async ({ path, run }) => {
      const checkpoint = path("run.safetensors");
      const output = [path("out.safetensors")];
      await run({ ...TINY, frames: 2, checkpoint, checkpointEvery: 1, output, seed: -1n });
      const refused = (options: GenerateValues, pattern: RegExp) =>
        assert.rejects(run({ ...options, output }), (error: Error) => {
          assert.ok(error instanceof UsageError, String(error));
          assert.match(error.message, pattern);
          return true;
        });
      const resume = checkpoint;
      await refused({ resume, steps: 3 }, /with --steps 3: it was started with 2/);
      await refused({ resume, seed: 1n }, /with --seed 1: it was started with \d+/);
      await refused({ resume, frames: 3 }, /with --frames 3: it was started with 2/);
      await refused(
        { resume, model: `${GOLDENS}far-patch2` },
        /the model has changed since/,
      );
      await refused({ resume: output[0] }, /it is not a checkpoint/);
      await assert.rejects(run({ resume: path("none.safetensors"), output }), /none\.safetensors/);
      // how it is written is free, and a seed that was drawn is not drawn again
      await run({ resume, seed: -1n, output: [path("other.gif")], fps: 4 });
    }),
);
