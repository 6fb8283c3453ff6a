import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { patchify } from "../../kernels/patchify.ts";
import { patchifyReference } from "../reference/patchify.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

interface Case {
  readonly videos: number;
  readonly capacity: number;
  readonly volume: [channels: number, height: number, width: number];
  readonly patch: number;
  /** Frame indices of each row of the batch. */
  readonly frames: number[][];
}

const CASES: [string, Case][] = [
  ["one pixel", { videos: 1, capacity: 1, volume: [1, 1, 1], patch: 1, frames: [[0]] }],
  ["patch 1", { videos: 2, capacity: 3, volume: [5, 3, 7], patch: 1, frames: [[0, 2], [1, 2]] }],
  ["patch 2", { videos: 1, capacity: 2, volume: [3, 4, 6], patch: 2, frames: [[1, 0]] }],
  ["patch 4", { videos: 1, capacity: 2, volume: [32, 8, 12], patch: 4, frames: [[1]] }],
  ["guidance, both halves of one video", {
    videos: 2,
    capacity: 2,
    volume: [4, 2, 2],
    patch: 2,
    frames: [[0], [1], [1], [0]],
  }],
  ["more than 65535 workgroups", {
    videos: 1,
    capacity: 1,
    volume: [3, 1000, 1400],
    patch: 2,
    frames: [[0]],
  }],
  ["a ring", { videos: 1, capacity: 3, volume: [4, 2, 2], patch: 1, frames: [[5, 6, 7]] }],
];

for (const [name, { videos, capacity, volume, patch, frames }] of CASES) {
  Deno.test({ name: `patchify() matches the reference for ${name}`, ...GPU_TEST }, async () => {
    const count = volume[0] * volume[1] * volume[2];
    const latents = randomFloats(videos * capacity * count);
    const numbers = frames.flat().flatMap((frame) => [9, frame, 9, 9]);
    const actual = await runOnce((p, input) => {
      const indices = input([frames.length, frames[0]!.length, 4], Uint32Array.from(numbers));
      return patchify(p, input([videos, capacity, ...volume], latents), indices, patch);
    });
    const expected = frames.flatMap((row, b) =>
      row.flatMap((frame) => {
        const at = ((b % videos) * capacity + frame % capacity) * count;
        return [...patchifyReference(latents.subarray(at, at + count), volume, patch)];
      })
    );
    assert.deepEqual([...actual], expected);
  });
}

Deno.test("patchify() refuses sizes that the patch doesn't divide, and uneven batches", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const frames = memory.tensor("frames", [3, 1, 4], "u32");
  const latents = (...shape: number[]) => memory.tensor("latents", shape);
  assert.throws(() => patchify(p, latents(1, 1, 4, 3, 4), frames, 2), ShapeError);
  assert.throws(() => patchify(p, latents(1, 1, 4, 4, 6), frames, 4), ShapeError);
  assert.throws(() => patchify(p, latents(2, 1, 4, 4, 4), frames, 2), ShapeError);
});
