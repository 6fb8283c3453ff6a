import assert from "node:assert/strict";
import { Timeline } from "../../player/timeline.ts";

const noise = { words: new Uint32Array(), index: 0, cachedNormal: undefined };

function kept(id: number, parent: number | undefined, bytes = 3) {
  const picture = { width: bytes / 3, height: 1, data: new Uint8Array(bytes) };
  return {
    shown: { id, parent, picture, index: id, action: 0, rate: 0 },
    moment: { remembered: [], noise, shown: id },
    clip: "one",
    label: undefined,
    contextFrames: 1,
    generated: id,
    settings: {},
    plain: true,
  };
}

Deno.test("Timeline finds the path to each frame of each branch", () => {
  const timeline = new Timeline();
  const parents = [undefined, 0, 1, 0, 3, undefined];
  for (const [id, parent] of parents.entries()) timeline.add(kept(id, parent));
  const path = (id: number) => timeline.path(id).map(({ shown }) => shown.id);
  assert.deepEqual([path(2), path(4), path(5), path(9)], [[0, 1, 2], [0, 3, 4], [5], []]);
  assert.equal(timeline.next, 6);
  assert.equal(timeline.isWhole(timeline.path(4)), true);
});

Deno.test("Timeline gives the newest frames of all branches, those of one before the others", () => {
  const timeline = new Timeline();
  const parents = [undefined, 0, 1, 0, 3, undefined];
  for (const [id, parent] of parents.entries()) timeline.add(kept(id, parent, 30));
  const newest = (id: number, frames: number) =>
    timeline.newest(id, 30 * frames).map(({ shown }) => shown.id);
  assert.deepEqual(newest(2, 6), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(newest(2, 5), [0, 1, 2, 4, 5]);
  assert.deepEqual(newest(2, 3), [0, 1, 2]);
  assert.deepEqual(newest(2, 2), [1, 2]);
  assert.deepEqual(newest(2, 0), [2]); // a page needs a picture
});

Deno.test("Timeline drops the oldest frames, and never the newest", () => {
  const timeline = new Timeline(3 * 1_004_000);
  for (let id = 0; id < 6; id++) timeline.add(kept(id, id ? id - 1 : undefined, 1_000_000));
  const path = timeline.path(5);
  assert.deepEqual(path.map(({ shown }) => shown.id), [3, 4, 5]);
  assert.equal(timeline.isWhole(path), false);
  assert.equal(timeline.get(2), undefined);
  timeline.add(kept(6, 5, 9_000_000));
  assert.deepEqual(timeline.path(6).map(({ shown }) => shown.id), [6]);
});
