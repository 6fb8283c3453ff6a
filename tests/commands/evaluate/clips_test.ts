import assert from "node:assert/strict";
import { join } from "node:path";
import { checkClips, findClips, withMoves } from "../../../commands/evaluate/clips.ts";
import { encodeNpz } from "../../../media/npz.ts";
import { inFolder } from "../../support/folder.ts";
import { INFO, PROTOCOL } from "./evaluation_fixture.ts";

/** A clip of so many frames of 16x16, with actions unless told. */
async function writeClip(path: string, frames: number, actions = true): Promise<void> {
  const video = {
    type: "|u1" as const,
    shape: [frames, 16, 16, 3],
    data: new Uint8Array(frames * 768),
  };
  const moves = { type: "<i8" as const, shape: [frames], data: new BigInt64Array(frames) };
  await Deno.writeFile(path, encodeNpz({ video, ...(actions ? { actions: moves } : {}) }));
}

Deno.test("findClips() finds the clips of a folder, of lists, and one alone", async () => {
  await inFolder(async (folder) => {
    for (const name of ["b 1.npz", "a10.npz", "a2.mp4", "notes.md"]) {
      await Deno.writeTextFile(join(folder, name), "");
    }
    const found = await findClips(folder);
    assert.deepEqual(found.map(({ id }) => id), ["0-a2", "1-a10", "2-b_1"]);
    assert.equal(found[0]!.path, join(folder, "a2.mp4"));
    const text = join(folder, "list.txt");
    await Deno.writeTextFile(text, "a2.mp4\r\n\n  b 1.npz\n");
    assert.deepEqual((await findClips(text)).map(({ path }) => path), [
      join(folder, "a2.mp4"),
      join(folder, "b 1.npz"),
    ]);
    const json = join(folder, "list.json");
    const entries = ["a2.mp4", { video_path: "a10.npz", action_path: "a.txt", label: 7 }];
    await Deno.writeTextFile(json, JSON.stringify(entries));
    const [, listed] = await findClips(json);
    assert.deepEqual(listed, {
      id: "1-a10",
      path: join(folder, "a10.npz"),
      actions: join(folder, "a.txt"),
      label: "7",
    });
    assert.equal((await findClips(join(folder, "a2.mp4")))[0]!.id, "0-a2");
  });
});

Deno.test("findClips() refuses folders and lists without clips", async () => {
  await inFolder(async (folder) => {
    await assert.rejects(findClips(folder), { name: "UsageError", message: /has no clips/ });
    const json = join(folder, "list.json");
    for (const text of ["{}", "[3]", '[{"video_path": 3}]', '[{"video_path": "a", "label": []}]']) {
      await Deno.writeTextFile(json, text);
      await assert.rejects(findClips(json), { name: "UsageError" }, text);
    }
    await assert.rejects(findClips(join(folder, "no.txt")), { name: "UsageError" });
  });
});

Deno.test("checkClips() reports what is wrong with each clip", async () => {
  await inFolder(async (folder) => {
    await writeClip(join(folder, "good.npz"), 4);
    await writeClip(join(folder, "short.npz"), 3);
    await writeClip(join(folder, "still.npz"), 5, false);
    const clips = await findClips(folder);
    await checkClips(clips.slice(0, 1), PROTOCOL, undefined);
    await assert.rejects(checkClips(clips, PROTOCOL, undefined), (error: Error) => {
      assert.equal(error.name, "UsageError");
      const lines = error.message.split("\n");
      assert.match(
        lines[0]!,
        /short\.npz": it has 3 frames of the 4 that are needed, 2 of context/,
      );
      assert.match(lines[1]!, /still\.npz": it has no actions/);
      return lines.length === 2;
    });
    await checkClips(clips.slice(2), { ...PROTOCOL, guidance: -1 }, undefined);
    const labels = { ...INFO, condition: { kind: "label" as const, count: 3 } };
    await assert.rejects(
      checkClips(clips.slice(0, 1), { ...PROTOCOL, info: labels }, undefined),
      { message: /has no label/ },
    );
  });
});

Deno.test("withMoves() picks the actions of the frames that are taken", async () => {
  await inFolder(async (folder) => {
    const actions = join(folder, "a.txt");
    await Deno.writeTextFile(actions, "0 1 2 0 1 2 0 1 2\n");
    const clip = { id: "0-a", path: "a.mp4", actions };
    const [found] = await withMoves([clip], { ...PROTOCOL, start: 1, stride: 2 });
    assert.deepEqual(found!.moves, [1, 0, 2, 1]);
    await assert.rejects(
      withMoves([clip], { ...PROTOCOL, frames: 20 }),
      { name: "UsageError", message: /they cover 9 frames, but 22 are needed/ },
    );
  });
});
