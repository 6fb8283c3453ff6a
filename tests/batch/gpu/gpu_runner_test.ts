import assert from "node:assert/strict";
import { join } from "node:path";
import { DeviceLostError, GpuRunner } from "../../../batch/gpu/gpu_runner.ts";
import { JobPool } from "../../../batch/gpu/job_pool.ts";
import { type Load, ModelShelf } from "../../../batch/gpu/model_shelf.ts";
import type { ChildMessage, WireJob } from "../../../batch/gpu/protocol.ts";
import { GpuError } from "../../../gpu/errors.ts";
import { Gpu } from "../../../gpu/gpu.ts";
import type { GenerateOptions } from "../../../run/options.ts";
import { loadPipeline } from "../../../released/load_pipeline.ts";
import { readFloats, SafetensorsFile } from "../../../weights/safetensors.ts";
import { GPU_TEST } from "../../support/gpu.ts";
import { assertClose } from "../../support/close.ts";
import { GOLDENS } from "../../support/far.ts";

interface Stage {
  readonly folder: string;
  readonly messages: ChildMessage[];
  /** How often a device was opened. */
  readonly devices: () => number;
  /** Runs all jobs to their ends, in batches of the size that the supervisor gives. */
  run(jobs: readonly WireJob[], videos: number): Promise<void>;
  /** Notes to the user about failed batches. */
  readonly notes: readonly string[];
  /** Messages of one type. */
  of<T extends ChildMessage["type"]>(type: T): Extract<ChildMessage, { type: T }>[];
}

/** A runner on a real device; `fault` may throw before a run begins. */
async function stage(
  body: (stage: Stage) => Promise<void>,
  fault: (options: GenerateOptions) => void = () => {},
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const messages: ChildMessage[] = [];
  let devices = 0;
  const load: Load = async (path, options) => {
    const pipeline = await loadPipeline(path, options);
    const generate = pipeline.generate.bind(pipeline);
    pipeline.generate = async function* (options) {
      fault(options);
      yield* generate(options);
    };
    return pipeline;
  };
  const open = () => {
    devices++;
    return Gpu.open();
  };
  const shelf = new ModelShelf(open, load);
  const pool = new JobPool();
  const notes: string[] = [];
  const runner = new GpuRunner(shelf, (message) => {
    messages.push(message);
    const note = pool.hear(message);
    if (note) notes.push(note);
  });
  try {
    await body({
      folder,
      messages,
      devices: () => devices,
      notes,
      async run(jobs, videos) {
        for (const job of jobs) pool.add(job);
        for (let batch = pool.take(videos); batch; batch = pool.take(videos)) {
          await runner.run(batch);
        }
      },
      of: <T extends ChildMessage["type"]>(type: T) =>
        messages.filter((message) => message.type === type) as Extract<ChildMessage, { type: T }>[],
    });
  } finally {
    await shelf.clear();
    await Deno.remove(folder, { recursive: true });
  }
}

function job(folder: string, name: string, options: WireJob["options"], model = "far-uncond") {
  return {
    hash: name,
    where: `jobs:${name}`,
    options: { size: "32x32", steps: 2, frames: 1, ...options },
    model: `${GOLDENS}${model}`,
    folder,
    outputs: [`${name}.safetensors`],
  };
}

async function latents(path: string): Promise<Float32Array> {
  const file = await SafetensorsFile.open(path);
  try {
    return await readFloats(file, "latents");
  } finally {
    file.close();
  }
}

const RUNS = GPU_TEST;

Deno.test(
  { name: "GpuRunner makes the same latents in a batch as alone", ...RUNS },
  () =>
    stage(async ({ folder, run, of }) => {
      for (const where of ["alone", "together"]) await Deno.mkdir(join(folder, where));
      const jobs = (where: string) => [
        job(`${folder}/${where}`, "a", { frames: 2, seed: "1", actions: "0,1" }, "far-action"),
        job(`${folder}/${where}`, "b", { frames: 2, seed: "2", actions: "1,1" }, "far-action"),
        job(
          `${folder}/${where}`,
          "c",
          { frames: 2, seed: "3", actions: "1,0", count: 2, rng: "cuda" },
          "far-action",
        ),
        job(`${folder}/${where}`, "d", { frames: 1, seed: "4", actions: "1" }, "far-action"),
      ];
      await run(jobs("alone"), 1);
      await run(jobs("together"), 8);
      const batches = of("done").map(({ hash, batch }) => `${hash}${batch}`);
      assert.deepEqual(batches, ["a1", "d1", "b1", "c2", "a4", "b4", "c4", "d1"]);
      for (const name of ["a", "b", "c", "d"]) {
        const alone = await latents(join(folder, "alone", `${name}.safetensors`));
        const together = await latents(join(folder, "together", `${name}.safetensors`));
        assertClose(together, alone, 1e-6, name);
      }
    }),
);

Deno.test(
  { name: "GpuRunner halves batches that do not fit in memory, and continues", ...RUNS },
  () =>
    stage(async ({ folder, run, of, notes, devices }) => {
      const names = ["a", "b", "c", "d", "e"];
      await run(names.map((name, i) => job(folder, name, { seed: String(i) })), 5);
      assert.deepEqual(of("failed"), []);
      assert.deepEqual(of("done").map(({ batch }) => batch), [2, 2, 2, 2, 1]);
      assert.match(notes[0]!, /out of memory; continuing with 2 videos at once/);
      // the size is remembered
      await run(names.slice(0, 3).map((name) => job(folder, `${name}2`, { seed: "7" })), 5);
      assert.equal(notes.length, 1);
      assert.equal(devices(), 1);
    }, ({ count = 1 }) => {
      if (count > 2) throw new GpuError("out-of-memory", "The GPU is out of memory");
    }),
);

Deno.test(
  { name: "GpuRunner fails a job that does not fit in memory alone", ...RUNS },
  () =>
    stage(async ({ folder, run, of }) => {
      await run([job(folder, "a", {}), job(folder, "b", {})], 2);
      assert.deepEqual(of("failed").map(({ hash, error }) => [hash, error.temporary]), [
        ["a", true],
        ["b", true],
      ]);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }, () => {
      throw new GpuError("out-of-memory", "The GPU is out of memory");
    }),
);

Deno.test({ name: "GpuRunner finds the one job of a batch that fails", ...RUNS }, () => {
  const poison = 1234.5;
  return stage(async ({ folder, run, of }) => {
    const noise = join(folder, "noise.safetensors");
    const { writeSafetensors } = await import("../../../weights/safetensors.ts");
    const { createOutput } = await import("../../../media/output_file.ts");
    await using file = await createOutput(noise);
    const data = new Float32Array(32 * 4 * 4).fill(poison);
    const shape = [1, 1, 32, 4, 4];
    const entry = {
      name: "noise",
      dtype: "F32",
      shape,
      data: new Uint8Array(data.buffer),
    } as const;
    await writeSafetensors(file, [entry]);
    await file.commit();
    await run([
      job(folder, "a", { seed: "1" }),
      job(folder, "bad", { noise }),
      job(folder, "c", { seed: "2" }),
    ], 3);
    assert.deepEqual(of("failed").map(({ hash }) => hash), ["bad"]);
    assert.match(of("failed")[0]!.error.message, /not finite/);
    assert.deepEqual(of("done").map(({ hash }) => hash), ["a", "c"]);
    const starts = of("start").map(({ hashes }) => hashes.join(" "));
    assert.deepEqual(starts.slice(3), ["a bad c", "a", "a", "bad", "bad", "c", "c"]);
  }, ({ noise }) => {
    if (noise!.includes(poison)) throw new GpuError("non-finite", "Values are not finite");
  });
});

Deno.test(
  { name: "GpuRunner fails only the job whose output cannot be written", ...RUNS },
  () =>
    stage(async ({ folder, run, of }) => {
      await Deno.mkdir(join(folder, "b.safetensors"));
      await run(["a", "b", "c"].map((name) => job(folder, name, {})), 3);
      assert.deepEqual(of("done").map(({ hash }) => hash), ["a", "c"]);
      assert.match(of("failed")[0]!.error.message, /b\.safetensors": it is a folder/);
      const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
      assert.deepEqual(names, ["a.safetensors", "b.safetensors", "c.safetensors"]);
    }),
);

Deno.test(
  { name: "GpuRunner reports a wrong job, and runs the others", ...RUNS },
  () =>
    stage(async ({ folder, run, of }) => {
      await run([
        job(folder, "a", { seed: "x" }),
        job(folder, "b", { context: join(folder, "none.npz") }),
        job(folder, "c", { size: "33x32" }),
        job(folder, "d", {}),
      ], 2);
      const failed = of("failed").map(({ hash, error }) => `${hash} ${error.temporary}`);
      assert.deepEqual(failed, ["a false", "b false", "c false"]);
      assert.match(of("failed")[0]!.error.message, /"seed" in jobs:a/);
      assert.deepEqual(of("done").map(({ hash }) => hash), ["d"]);
    }),
);

Deno.test(
  { name: "GpuRunner stops when the device is lost, and leaves no files", ...RUNS },
  () =>
    stage(async ({ folder, run, of }) => {
      await assert.rejects(run([job(folder, "a", {}), job(folder, "b", {})], 2), DeviceLostError);
      assert.deepEqual(of("failed"), []);
      assert.deepEqual(of("idle"), []);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }, () => {
      throw new GpuError("lost", "The GPU was lost");
    }),
);
