import assert from "node:assert/strict";
import { type LoopOptions, RunLoop, type RunTask } from "../../train/run_loop.ts";
import type { StepResult, TrainState } from "../../train/settings.ts";

/**
 * A run without a model: `bad` gives how often a step's numbers are not finite. A signal comes in
 * the middle of step `given`, or of the validation of step `interrupted`, which is given up.
 */
function fakeRun(
  bad: Record<number, number>,
  options: Partial<LoopOptions> = {},
  start = 0,
  { given, interrupted }: { given?: number; interrupted?: number } = {},
) {
  const stop = given === undefined && interrupted === undefined ? undefined : new AbortController();
  const lines: Record<string, unknown>[] = [];
  const did: string[] = [];
  let step = start;
  let pending: StepResult | undefined;
  const result = (): StepResult => {
    const finite = !(bad[step]! > 0);
    if (!finite) bad[step]!--;
    const loss = finite ? 1 : NaN;
    return { step, loss, gradNorm: 1, lr: 1, frames: 1, tokens: 1, finite };
  };
  const trainer = {
    get step() {
      return step;
    },
    submit: (_batch: unknown, signal?: AbortSignal) => {
      const before = pending;
      pending = undefined;
      if (step + 1 === given) stop!.abort(new Error("stop"));
      if (signal?.aborted && step + 1 === given) return Promise.resolve(before);
      step++;
      pending = result();
      return Promise.resolve(before);
    },
    flush: () => {
      const before = pending;
      pending = undefined;
      return Promise.resolve(before);
    },
    state: () => Promise.resolve({ step } as TrainState),
    restore: (state: TrainState) => {
      step = state.step;
      pending = undefined;
      return Promise.resolve();
    },
    close: () => {},
  };
  const note = (text: string) => {
    did.push(text);
    return Promise.resolve(text);
  };
  const task = {
    trainer,
    log: { lines, add: (line: Record<string, unknown>) => Promise.resolve(void lines.push(line)) },
    accumulate: 1,
    patience: 0,
    next: () => Promise.resolve({}),
    giveBack: (batches: number) => did.push(`give back ${batches}`),
    validate: (signal?: AbortSignal) => {
      if (step === interrupted) stop!.abort(new Error("stop"));
      return note(`validate ${step}`).then(() => signal?.aborted ? undefined : { loss: 1 });
    },
    save: (state: TrainState) => note(`save ${state.step}`),
    load: (at: number) => Promise.resolve({ step: at } as TrainState),
    sample: (at: number) => note(`sample ${at}`),
    report: () => Promise.resolve(),
  } as unknown as RunTask;
  const signal = stop?.signal;
  const whole = { steps: 6, saveEvery: 2, validateEvery: 0, signal, ...options };
  return { loop: new RunLoop(whole, task), did, lines };
}

async function steps(loop: RunLoop): Promise<number[]> {
  const done: number[] = [];
  for await (const { step } of loop.steps()) done.push(step);
  return done;
}

Deno.test("RunLoop saves, validates and samples as it is time, and at the end", async () => {
  const { loop, did } = fakeRun({}, { validateEvery: 3, sampleEvery: 4, steps: 7, saveEvery: 5 });
  assert.deepEqual(await steps(loop), [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(did, [
    ...["validate 3", "save 4", "sample 4", "save 5", "validate 6"],
    ...["validate 7", "save 7", "sample 7"],
  ]);
});

Deno.test("RunLoop goes back where numbers are not finite, and on", async () => {
  const { loop, did, lines } = fakeRun({ 4: 2, 5: 3 }, { nan: "rollback" });
  assert.deepEqual(await steps(loop), [1, 2, 3, 3, 3, 4, 5, 6]);
  assert.deepEqual(did, ["save 2", "save 4", "save 6"]);
  const backs = lines.filter(({ event }) => event === "rollback").map((line) => line.step);
  assert.deepEqual(backs, [4, 4, 5, 5, 5]);
});

Deno.test("RunLoop gives up where going back does not help", async () => {
  for (const saveEvery of [1, 2, 4]) {
    const { loop, did } = fakeRun({ 5: 99 }, { nan: "rollback", saveEvery });
    await assert.rejects(steps(loop), {
      name: "TrainingError",
      message: /step 5 is not finite; th/,
    });
    assert.equal(did.at(-1), "save 4");
  }
  const { loop } = fakeRun({ 1: 99 }, { nan: "rollback" });
  await assert.rejects(steps(loop), /no checkpoint was reached/);
});

Deno.test("RunLoop stops at the first number that is not finite unless told", async () => {
  const { loop, did } = fakeRun({ 3: 1 });
  await assert.rejects(steps(loop), /checkpoint of step 2 is good/);
  assert.deepEqual(did, ["save 2"]);
});

Deno.test("RunLoop saves at a signal, and catches up when it continues", async () => {
  const late = new AbortController();
  const lateRun = fakeRun({}, { sampleEvery: 2, signal: late.signal });
  await assert.rejects(async () => {
    // the signal comes while step 2 is being finished
    for await (const { step } of lateRun.loop.steps()) {
      if (step === 2) late.abort(new Error("stop"));
    }
  }, /stop/);
  assert.deepEqual(lateRun.did, ["save 2", "sample 2", "save 3"]);
  const stop = new AbortController();
  const often = { validateEvery: 1, sampleEvery: 3 };
  const { loop, did } = fakeRun({}, { ...often, signal: stop.signal });
  await assert.rejects(async () => {
    for await (const { step } of loop.steps()) if (step === 2) stop.abort(new Error("stop"));
  }, /stop/);
  assert.deepEqual(did.slice(-2), ["validate 2", "save 2"]); // given up
  const resumed = fakeRun({}, often, 3);
  assert.deepEqual(await steps(resumed.loop), [4, 5, 6]);
  assert.deepEqual(resumed.did.slice(0, 3), ["validate 3", "sample 3", "validate 4"]);
});

Deno.test("RunLoop saves the step before the one that a signal interrupts", async () => {
  for (
    const [given, expected] of [
      [1, ["give back 1"]], // nothing is done yet
      [2, ["give back 1", "save 1"]],
      [3, ["save 2", "give back 1"]],
      [4, ["save 2", "give back 1", "save 3"]],
      [6, ["save 2", "save 4", "give back 1", "save 5"]],
    ] as const
  ) {
    const { loop, did } = fakeRun({}, {}, 0, { given });
    await assert.rejects(steps(loop), /stop/);
    assert.deepEqual(did, expected);
  }
});

Deno.test("RunLoop saves at a signal that interrupts a validation, and validates later", async () => {
  for (const interrupted of [2, 4, 6]) { // the last is at the end
    const every = { validateEvery: 2, sampleEvery: 2, saveEvery: 100 };
    const { loop, did, lines } = fakeRun({}, every, 0, { interrupted });
    await assert.rejects(steps(loop), /stop/);
    assert.deepEqual(did.slice(-2), [`validate ${interrupted}`, `save ${interrupted}`]);
    assert.ok(!lines.some(({ event, step }) => event === "validation" && step === interrupted));
    const resumed = fakeRun({}, every, interrupted);
    await steps(resumed.loop);
    assert.deepEqual(resumed.did.slice(0, 2), [`validate ${interrupted}`, `sample ${interrupted}`]);
  }
});
