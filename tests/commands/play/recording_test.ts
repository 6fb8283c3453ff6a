import assert from "node:assert/strict";
import { join } from "node:path";
import { Recording } from "../../../commands/play/recording.ts";
import { readMetadata } from "../../../app.ts";
import { readClip } from "../../../mod.ts";

const SIZE = { width: 16, height: 16 };
const MADE = { command: "generate", version: "0.1.0", options: { model: "demo", frames: 2 } };

async function inFolder(action: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "far-recording-" });
  try {
    await action(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Records an opening picture, and a frame for each action. */
async function record(path: string, names: string[], actions: (number | undefined)[]) {
  const recording = await Recording.open(path, { ...SIZE, fps: 8, names, idle: 3 });
  for (const [index, action] of [undefined, ...actions].entries()) {
    const picture = { ...SIZE, data: new Uint8Array(3 * 16 * 16).fill(40 * index) };
    await recording.frame({ id: index, parent: undefined, picture, index, action, rate: 0 });
  }
  return await recording.close(MADE);
}

const NAMES = ["forward", "left", "right", "stay"];

Deno.test("Recording keeps the actions and the command with the frames", () =>
  inFolder(async (folder) => {
    for (const kind of ["mp4", "gif", "npz"]) {
      const path = join(folder, `walk.${kind}`);
      assert.equal(await record(path, NAMES, [0, 0, 1]), `wrote ${path}, 4 frames`);
      const metadata = await readMetadata(path);
      assert.equal(metadata["far.actions"], "stay,forward*2,left", kind);
      assert.deepEqual(JSON.parse(metadata["far.settings"]!), MADE, kind);
      assert.equal(metadata["comment"], "far generate --model demo --frames 2", kind);
    }
  }));

Deno.test("Recording to .npz is training data: a picture and an action per frame", () =>
  inFolder(async (folder) => {
    const path = join(folder, "walk.npz");
    await record(path, NAMES, [2, 1]);
    const { frames, actions } = await readClip(path);
    assert.equal(frames.length, 3);
    assert.deepEqual(Array.from(actions!, Number), [3, 2, 1]);
  }));

Deno.test("Recording of a model without actions holds none", () =>
  inFolder(async (folder) => {
    const path = join(folder, "walk.mp4");
    await record(path, [], [undefined]);
    assert.equal((await readMetadata(path))["far.actions"], undefined);
  }));
