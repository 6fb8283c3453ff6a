import assert from "node:assert/strict";
import { join } from "node:path";
import { measureAgreement, measureReturns } from "../../../commands/evaluate/steering.ts";
import { encodeNpz } from "../../../media/npz.ts";
import { inFolder } from "../../support/folder.ts";
import { PROTOCOL } from "./evaluation_fixture.ts";

const SIDE = 16;

/** Frames of one grey each, and actions. */
async function writeGreys(path: string, greys: readonly number[], actions: readonly number[] = []) {
  const data = Uint8Array.from(greys.flatMap((grey) => Array<number>(SIDE * SIDE * 3).fill(grey)));
  const video = { type: "|u1" as const, shape: [greys.length, SIDE, SIDE, 3], data };
  const moves = { type: "|u1" as const, shape: [actions.length], data: Uint8Array.from(actions) };
  await Deno.writeFile(path, encodeNpz({ video, ...(actions.length ? { actions: moves } : {}) }));
}

Deno.test("measureReturns() holds the last view against the last that was given", async () => {
  await inFolder(async (folder) => {
    const clip = { id: "0-a", path: join(folder, "a.npz") };
    await writeGreys(clip.path, [0, 100, 0, 0], [2, 2, 0, 1]);
    // context 90, 101; out 200, back 110
    await writeGreys(join(folder, "trip.npz"), [90, 101, 200, 110]);
    const trips = [{ clip, action: 0, inverse: 1, file: "trip.npz" }];
    const [found] = await measureReturns(trips, folder, { ...PROTOCOL, returns: 1 }, undefined);
    const mse = (difference: number) => (difference / 255) ** 2;
    assert.ok(Math.abs(found!.back.mse - mse(10)) < 1e-7);
    assert.ok(Math.abs(found!.out.mse - mse(100)) < 1e-6);
    assert.ok(Math.abs(found!.ceiling.mse - mse(1)) < 1e-8);
    assert.deepEqual([found!.action, found!.inverse, found!.trips], [0, 1, 1]);
  });
});

Deno.test("measureAgreement() finds which action's picture is the nearest", async () => {
  await inFolder(async (folder) => {
    const clip = { id: "0-a", path: join(folder, "a.npz") };
    await writeGreys(clip.path, [0, 0, 100, 200], [2, 2, 0, 1]);
    const made = { "2-0": 110, "2-1": 150, "2-2": 10, "3-0": 190, "3-1": 170, "3-2": 10 };
    const probes = [];
    for (const [name, grey] of Object.entries(made)) {
      const [frame, action] = name.split("-").map(Number);
      const file = `${name}.npz`;
      await writeGreys(join(folder, file), [0, 0, grey]);
      probes.push({ clip, frame: frame!, action: action!, file });
    }
    const found = await measureAgreement(probes, folder, PROTOCOL, undefined);
    // frame 2 was action 0, and 110 is the nearest to 100; frame 3 was action 1, but 190 is 0's
    assert.deepEqual(found, { moves: 2, agreed: 1, table: [[1, 0, 0], [1, 0, 0], [0, 0, 0]] });
  });
});
