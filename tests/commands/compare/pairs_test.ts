import assert from "node:assert/strict";
import {
  heldSides,
  parseOffset,
  picture,
  type Sides,
  streamedSides,
} from "../../../commands/compare/pairs.ts";
import type { FloatFrame } from "../../../mod.ts";

/** Two videos of three frames of 1 x 1, each value its own number. */
const SOURCE = {
  videos: 2,
  frames: 3,
  width: 1,
  height: 1,
  data: Float32Array.from({ length: 18 }, (_, i) => i),
  lossy: false,
  warnings: [],
};

Deno.test("parseOffset() takes two whole numbers", () => {
  assert.deepEqual(parseOffset("12,0"), [12, 0]);
  for (const text of ["", "1", "1,", ",1", "1,2,3", "-1,2", "1.5,2", "a,b", "1, 2"]) {
    assert.throws(() => parseOffset(text), { name: "UsageError" }, text);
  }
});

Deno.test("picture() repeats a single video for all others", () => {
  const one = { ...SOURCE, videos: 1, data: SOURCE.data.subarray(0, 9) };
  assert.deepEqual([...picture(SOURCE, 4)], [12, 13, 14]);
  assert.deepEqual([...picture(one, 4)], [3, 4, 5]);
});

/** Frames of 1 x 1 with these values, and how far they were read. */
function streamOf(values: readonly number[], lossy = false, side = 1) {
  let read = 0;
  async function* frames(): AsyncGenerator<FloatFrame, void, void> {
    for (const value of values) {
      read++;
      const data = new Float32Array(3 * side * side).fill(value);
      yield await Promise.resolve({ width: side, height: side, data });
    }
  }
  const facts = () => ({ fps: lossy ? 25 : undefined, lossy, warnings: [] });
  return { frames: frames(), facts, read: () => read };
}

async function take(sides: Sides): Promise<{ seen: string[]; facts: unknown }> {
  const seen: string[] = [];
  const pairs = sides.pairs();
  while (true) {
    const { value, done } = await pairs.next();
    if (done) return { seen, facts: value };
    seen.push(`${value.video}/${value.index}: ${value.a[0]} ${value.b[0]}`);
  }
}

Deno.test("streamedSides() reads both sides in step", async () => {
  const [a, b] = [streamOf([1, 2, 3]), streamOf([4, 5, 6], true)];
  const pairs = streamedSides((side) => side === "a" ? a : b).pairs();
  await pairs.next();
  assert.deepEqual([a.read(), b.read()], [1, 1]);
  await pairs.return(undefined as never);
  assert.equal((await a.frames.next()).done, true);
  const again = () =>
    streamedSides((side) => streamOf(side === "a" ? [1, 2] : [4, 5], side === "b"));
  const { seen, facts } = await take(again());
  assert.deepEqual(seen, ["0/0: 1 4", "0/1: 2 5"]);
  const size = { width: 1, height: 1 };
  assert.deepEqual(facts, {
    ...{ videos: 1, frames: 2, ...size, fps: 25, warnings: [], lossy: [false, true] },
  });
});

Deno.test("streamedSides() refuses different lengths, which it names, and different sizes", async () => {
  const lengths = streamedSides((side) => streamOf(side === "a" ? [1, 2, 3] : [1]));
  await assert.rejects(take(lengths), { name: "UsageError", message: /3 frames with 1 frame:/ });
  const sizes = streamedSides((side) => streamOf([1], false, side === "a" ? 2 : 3));
  await assert.rejects(take(sizes), { name: "UsageError", message: /2x2 with 3x3/ });
});

Deno.test("streamedSides() reduces videos enlarged by a whole factor, and says so", async () => {
  const sides = streamedSides((side) => streamOf([1], false, side === "a" ? 1 : 4));
  const { seen, facts } = await take(sides);
  assert.deepEqual(seen, ["0/0: 1 1"]);
  const { width, warnings } = facts as { width: number; warnings: string[] };
  assert.equal(width, 1);
  assert.match(warnings.join(), /4x4 were reduced to 1x1/);
});

Deno.test("heldSides() compares one video with several", async () => {
  const one = { ...SOURCE, videos: 1, data: SOURCE.data.subarray(0, 9) };
  const { seen } = await take(heldSides(one, SOURCE));
  assert.deepEqual(seen.slice(2, 5), ["0/2: 6 6", "1/0: 0 9", "1/1: 3 12"]);
  assert.throws(() => heldSides(one, { ...SOURCE, frames: 2 }), { name: "UsageError" });
  assert.throws(() => heldSides(one, { ...SOURCE, width: 2 }), { name: "UsageError" });
});
