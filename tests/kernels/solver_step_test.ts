import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { solverStep } from "../../kernels/solver_step.ts";
import { solverStepReference } from "../reference/solver_step.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runAll } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

interface Case {
  readonly videos: number;
  readonly capacity: number;
  readonly frame: number;
  readonly volume: [channels: number, height: number, width: number];
  readonly patch: number;
  readonly guided: boolean;
}

const CASES: [string, Case][] = [
  ["one pixel", {
    videos: 1,
    capacity: 1,
    frame: 0,
    volume: [4, 1, 1],
    patch: 1,
    guided: false,
  }],
  ["patch 1, padded tokens", {
    videos: 2,
    capacity: 3,
    frame: 1,
    volume: [5, 3, 7],
    patch: 1,
    guided: false,
  }],
  ["patch 2 with guidance", {
    videos: 3,
    capacity: 2,
    frame: 1,
    volume: [3, 4, 6],
    patch: 2,
    guided: true,
  }],
  ["more than 65535 workgroups", {
    videos: 1,
    capacity: 1,
    frame: 0,
    volume: [4, 1000, 1050],
    patch: 2,
    guided: false,
  }],
  ["patch 4 in a ring", {
    videos: 1,
    capacity: 3,
    frame: 7,
    volume: [32, 8, 8],
    patch: 4,
    guided: true,
  }],
];

for (const [name, c] of CASES) {
  Deno.test({ name: `solverStep() matches the reference for ${name}`, ...GPU_TEST }, async () => {
    const { videos, capacity, frame, volume, patch, guided } = c;
    const count = volume[0] * volume[1] * volume[2];
    const tokens = volume[1] * volume[2] / patch ** 2;
    const stride = Math.ceil(volume[0] * patch ** 2 / 4) * 4;
    const batch = videos * (guided ? 2 : 1);
    const latents = randomFloats(videos * capacity * count, 1);
    const before = randomFloats(videos * count, 2);
    const v = randomFloats(batch * tokens * stride, 3);
    const factors = { c0: -0.3, c1: 0.2, guidance: 2.5 };
    const [x, previous] = await runAll((p, input, uniform) => {
      const step = new DataView(new ArrayBuffer(48));
      step.setUint32(28, frame, true);
      for (const [i, f] of Object.values(factors).entries()) step.setFloat32(32 + 4 * i, f, true);
      const to = {
        latents: input([videos, capacity, ...volume], latents),
        previous: input([videos, ...volume], before),
      };
      const velocity = input([batch, 1, tokens, stride], v);
      solverStep(p, velocity, { ...to, step: uniform(step), patch });
      return [to.latents, to.previous];
    });
    const expected = { x: latents.slice(), previous: before.slice() };
    const part = (b: number) => v.subarray(b * tokens * stride, (b + 1) * tokens * stride);
    for (let video = 0; video < videos; video++) {
      const at = (video * capacity + frame % capacity) * count;
      const state = {
        x: latents.subarray(at, at + count),
        previous: before.subarray(video * count, (video + 1) * count),
      };
      const velocity = guided
        ? { conditional: part(videos + video), unconditional: part(video), stride }
        : { conditional: part(video), stride };
      const next = solverStepReference(state, velocity, factors, volume, patch);
      expected.x.set(next.x, at);
      expected.previous.set(next.previous, video * count);
    }
    assertClose(new Float32Array(x!), expected.x, 5e-7, "latents");
    assertClose(new Float32Array(previous!), expected.previous, 5e-7, "velocity");
  });
}

Deno.test("solverStep() refuses a velocity of another batch or token count", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const t = (...shape: number[]) => memory.tensor("t", shape);
  const options = {
    latents: t(2, 1, 4, 4, 4),
    previous: t(2, 4, 4, 4),
    step: memory.buffer("step", 48, "uniform"),
    patch: 2,
  };
  assert.throws(() => solverStep(p, t(3, 1, 4, 16), options), ShapeError);
  assert.throws(() => solverStep(p, t(2, 1, 16, 16), options), ShapeError);
});
