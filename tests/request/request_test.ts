import assert from "node:assert/strict";
import {
  buildRequest,
  type GenerateValues,
  settingsOfRequest,
  withDefaults,
} from "../../request/request.ts";
import type { ModelInfo, RunPlan } from "../../mod.ts";
import { VERSION } from "../../cli/version.ts";

const CLIP = "tests/fixtures/clips/dmlab-5.npz"; // 64x64, 300 frames with actions

const INFO: ModelInfo = {
  path: "/models/maze",
  name: "maze",
  description: undefined,
  license: undefined,
  fps: 8,
  actions: ["forward", "left", "right", "stay"],
  labels: undefined,
  defaults: {},
  condition: { kind: "action", count: 4 },
  channels: 32,
  compression: 16,
  multiple: 32,
  parameters: 1,
  long: true,
  window: 8,
  positions: "exact",
  timesteps: "exact",
  windowCache: "encode",
  schedule: { shift: 1 },
};
const DEFAULTS = {
  context: "clips/0.npz",
  context_frames: 12,
  size: "64x64",
  frames: 48,
  steps: 8,
  actions: "forward*6,right*2",
};

const merged = (given: GenerateValues) => withDefaults(given, DEFAULTS, "/models/maze");
const build = (given: GenerateValues, info: ModelInfo = INFO, defaults: object = {}) =>
  buildRequest(given, withDefaults(given, defaults, "/models/maze"), info);

async function refused(given: GenerateValues, message: RegExp, info?: ModelInfo) {
  await assert.rejects(build(given, info), { name: "UsageError", message });
}

Deno.test("withDefaults() takes the model's own example, with paths relative to the model", () => {
  assert.deepEqual(merged({}), {
    context: "/models/maze/clips/0.npz",
    contextFrames: 12,
    size: { width: 64, height: 64 },
    frames: 48,
    steps: 8,
    actions: "forward*6,right*2",
  });
  assert.deepEqual(withDefaults({ frames: 3 }, undefined, "x"), { frames: 3 });
});

Deno.test("withDefaults() leaves out an example that the user's own context replaces", () => {
  const { context, contextFrames, actions, frames } = merged({ context: "my.mp4" });
  assert.deepEqual([context, contextFrames, actions, frames], [
    "my.mp4",
    undefined,
    undefined,
    48,
  ]);
  assert.equal(merged({ contextFrames: 0 }).context, undefined);
  assert.equal(merged({ size: { width: 96, height: 64 } }).context, undefined);
  assert.equal(merged({ contextFrames: 3 }).context, "/models/maze/clips/0.npz");
});

Deno.test("withDefaults() takes the context options of a model without an example", () => {
  const released = (given: GenerateValues) => withDefaults(given, { context_frames: 144 }, "m");
  assert.equal(released({ context: CLIP }).contextFrames, 144);
  assert.equal(released({ context: CLIP, contextFrames: 36 }).contextFrames, 36);
  assert.equal(released({}).contextFrames, undefined);
});

Deno.test("buildRequest() accepts fewer context frames than the model's default", async () => {
  const short = { context: CLIP, contextStart: 290, actions: "0,1" };
  const { generate } = await build(short, INFO, { context_frames: 144 });
  assert.equal(generate.contextFrames, 10);
  await assert.rejects(build({ ...short, contextFrames: 144 }), { message: /frame 290 need 434$/ });
});

Deno.test("withDefaults() lets the user's own actions decide how many frames there are", () => {
  const { context, actions, frames } = merged({ actions: "left" });
  assert.deepEqual([context, actions, frames], ["/models/maze/clips/0.npz", "left", undefined]);
  assert.equal(merged({ actions: "left", frames: 1 }).frames, 1);
});

Deno.test("withDefaults() names defaults of a model that are not options", () => {
  assert.throws(() => withDefaults({}, { framse: 3, steps: 0 }, "m"), {
    name: "TypeError",
    message: /"framse" in m\/far.json.*\(did you mean "frames"\?\)\n.*"steps" in m\/far.json/,
  });
});

Deno.test("buildRequest() continues by a clip's own actions to its end", async () => {
  const { generate, actions, source } = await build({ context: CLIP, contextFrames: 20 });
  assert.equal(generate.contextFrames, 20);
  const [own] = (await source!.actions!({ kind: "action", count: 9 }))!;
  assert.equal(generate.frames, own!.length - 20);
  assert.deepEqual(actions, [own]);
  const { generate: some } = await build({ context: CLIP, contextFrames: 2, frames: 3 });
  assert.equal(some.frames, 3);
  assert.deepEqual(some.actions, own!.slice(0, 5));
});

Deno.test("buildRequest() names a file whose actions the model does not have", async () => {
  const few = { ...INFO, condition: { kind: "action", count: 1 } as const, actions: undefined };
  const given = { context: CLIP, contextFrames: 60, frames: 2 };
  const message = /^Cannot use action 2 of ".*dmlab-5\.npz": actions are the numbers 0 to 0$/;
  await refused(given, message, few);
  await build({ ...given, actions: "0*62" }, few); // takes the place of all of them
});

Deno.test("buildRequest() fits default actions to any number of frames", async () => {
  const defaults = { frames: 48, size: "64x64", actions: "forward*2,left" };
  const { generate } = await build({ frames: 5 }, INFO, defaults);
  assert.deepEqual(generate.actions, [0, 0, 1, 0, 0]);
  assert.deepEqual([generate.width, generate.height], [64, 64]);
  await refused({ actions: "0,1", frames: 5 }, /actions for 5 generated frames: give 5$/);
});

Deno.test("buildRequest() needs no actions with guidance -1", async () => {
  const { generate } = await build({ frames: 4, guidance: -1 });
  assert.equal(generate.actions, undefined);
  const plain = { ...INFO, condition: { kind: "none", count: 0 } as const };
  assert.equal((await build({ frames: 4 }, plain)).generate.actions, undefined);
  await refused({ frames: 4, actions: "0*4" }, /^Cannot use --actions: maze takes none$/, plain);
  await refused({}, /^Give the number of frames to generate: --frames$/, plain);
  await refused({ frames: 4 }, /^Cannot generate 4 frames without actions: .* or --guidance -1$/);
});

Deno.test("buildRequest() makes a video for every label", async () => {
  const info = { ...INFO, condition: { kind: "label", count: 3 } as const, labels: ["a", "b"] };
  const { generate } = await build({ frames: 1, label: "b,2" }, info);
  assert.deepEqual([generate.count, generate.labels], [2, [1, 2]]);
  const shared = await build({ frames: 1, label: "b", count: 4 }, info);
  assert.deepEqual([shared.generate.count, shared.generate.labels], [4, [1]]);
  await refused({ frames: 1, label: "0,1", count: 3 }, /2 labels for 3 videos/, info);
  await refused({ frames: 1, label: "3" }, /^Cannot use label "3": labels are a \(0\), b/, info);
  await refused({ frames: 1, label: "0" }, /^Cannot use --label: maze takes none$/);
});

Deno.test("buildRequest() draws a seed when asked, and says which", async () => {
  const { seed, generate } = await build({ frames: 1, actions: "0", seed: -1n });
  assert(seed >= 0n && seed < 2n ** 32n);
  assert.equal(generate.seed, seed);
  assert.equal((await build({ frames: 1, actions: "0" })).seed, 0n);
});

Deno.test("buildRequest() brings a context to --size, arrays too", async () => {
  const size = { width: 96, height: 32 };
  const { generate } = await build({ context: CLIP, contextFrames: 1, frames: 1, size });
  assert.deepEqual([generate.width, generate.height], [96, 32]);
  assert.equal(generate.context!.length, 3 * 96 * 32);
});

Deno.test("settingsOfRequest() keeps what makes it again, and no path of the model's own", async () => {
  const plan = {
    videos: 1,
    contextFrames: 0,
    generatedFrames: 3,
    steps: 8,
    guidance: 1,
  } as RunPlan;
  const given = { frames: 3, seed: 5n, output: ["a.mp4"], noCache: true };
  const made = { dtype: "f32", info: INFO } as const;
  const defaults = { actions: "forward*2,left", size: "64x64", steps: 8 };
  const request = await build(given, INFO, defaults);
  assert.deepEqual(settingsOfRequest(request, given, plan, made), {
    command: "generate",
    version: VERSION,
    options: {
      model: "demo",
      frames: 3,
      actions: "forward*2,left",
      size: "64x64",
      steps: 8,
      guidance: 1,
      solver: "euler",
      seed: "5",
      rng: "torch",
      "no-cache": true,
      dtype: "f32",
      fps: 8,
      output: ["a.mp4"],
    },
  });
});

Deno.test("settingsOfRequest() leaves actions that have no name to the context's file", async () => {
  const given = { context: CLIP, contextFrames: 2, frames: 2, guidance: -1 };
  const request = await build(given);
  const plan = { contextFrames: 2, generatedFrames: 2 } as RunPlan;
  const made = { dtype: "f32", info: INFO } as const;
  const recorded = (actions: number[]) =>
    settingsOfRequest({ ...request, actions: [actions] }, given, plan, made).options.actions;
  assert.equal(recorded([0, 1, 2, 3]), "forward,left,right,stay");
  assert.equal(recorded([4, 4, 2, 3]), "right,stay");
  assert.equal(recorded([4, 4, 4, 3]), undefined);
});
