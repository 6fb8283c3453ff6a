import assert from "node:assert/strict";
import { Sampler, spreadPicks } from "../../../train/data/sampler.ts";

const order = (sampler: Sampler, batches: number) =>
  Array.from({ length: batches }, () => sampler.next()).flat();

Deno.test("Sampler follows PyTorch's DataLoader with a seeded generator", () => {
  // DataLoader(range(n), batch_size, shuffle=True, drop_last=True, generator=...), two epochs
  for (
    const [count, batch, seed, epochs] of [
      [10, 3, 0, [[3, 7, 5, 2, 0, 8, 1, 6, 9], [1, 3, 2, 7, 5, 9, 0, 6, 4]]],
      [7, 7, 5, [[2, 4, 3, 5, 0, 6, 1], [4, 1, 0, 2, 3, 6, 5]]],
    ] as const
  ) {
    const starts = new Array<number>(count).fill(1);
    const sampler = new Sampler({ starts, batch, seed, shuffle: true });
    for (const epoch of epochs) {
      const picks = order(sampler, Math.floor(count / batch));
      assert.deepEqual(picks.map(({ clip }) => clip), epoch);
    }
  }
});

Deno.test("Sampler draws first frames as torch.randint does after each epoch's order", () => {
  const sampler = new Sampler({
    starts: new Array(6).fill(9),
    batch: 2,
    seed: 3,
    shuffle: true,
  });
  const first = order(sampler, 3);
  assert.deepEqual(first.map(({ clip }) => clip), [1, 3, 2, 0, 4, 5]);
  assert.deepEqual(first.map(({ start }) => start), [2, 2, 0, 4, 3, 6]);
  const second = order(sampler, 3);
  assert.deepEqual(second.map(({ clip }) => clip), [0, 5, 1, 4, 3, 2]);
  assert.deepEqual(second.map(({ start }) => start), [6, 1, 4, 4, 6, 5]);
});

Deno.test("Sampler continues from any position as if it had not stopped", () => {
  const options = { starts: [3, 1, 4, 1, 5], batch: 2, seed: 8, shuffle: true };
  const whole = order(new Sampler(options), 20);
  for (const position of [0, 2, 4, 10, 38]) {
    const resumed = new Sampler(options);
    resumed.seek(position);
    assert.deepEqual(order(resumed, 20 - position / 2), whole.slice(position));
    resumed.seek(0); // back
    assert.deepEqual(order(resumed, 20), whole);
  }
});

Deno.test("Sampler without shuffling goes around and around", () => {
  const sampler = new Sampler({ starts: [5, 5, 5], batch: 2, seed: 0, shuffle: false });
  assert.deepEqual(order(sampler, 3).map(({ clip }) => clip), [0, 1, 2, 0, 1, 2]);
});

Deno.test("Sampler fills a batch from fewer clips than it has", () => {
  const sampler = new Sampler({ starts: [1, 1], batch: 5, seed: 0, shuffle: true });
  assert.equal(sampler.next().length, 5);
});

Deno.test("Sampler draws every one of a million clips once per epoch", () => {
  const sampler = new Sampler({ starts: Array(1e6).fill(2), batch: 1e6, seed: 0, shuffle: true });
  assert.equal(new Set(sampler.next().map(({ clip }) => clip)).size, 1e6);
});

const SPREAD: [starts: number[], count: number, picks: string][] = [
  [[1], 1, "0:0"],
  [[5], 1, "0:0"],
  [[5], 5, "0:0 0:1 0:2 0:3 0:4"],
  [[300], 4, "0:0 0:75 0:150 0:225"],
  [[10, 10], 2, "0:0 1:0"],
  [[10, 10], 4, "0:0 0:5 1:0 1:5"],
  [[1, 8, 1], 5, "0:0 1:1 1:3 1:5 1:7"],
  [[2, 1], 5, "0:0 0:1 1:0 0:0 0:1"],
  [[1, 1, 1, 1], 2, "0:0 2:0"],
];

for (const [starts, count, picks] of SPREAD) {
  Deno.test(`spreadPicks() takes ${count} of windows [${starts}]`, () => {
    const found = spreadPicks(starts, count).map(({ clip, start }) => `${clip}:${start}`);
    assert.equal(found.join(" "), picks);
  });
}
