import assert from "node:assert/strict";
import { join } from "node:path";
import { clipActions } from "../../../train/data/clip_actions.ts";
import { actionNumbers, readDataFacts } from "../../../train/data/data_facts.ts";
import { inFolder } from "../../support/folder.ts";

Deno.test("readDataFacts() reads far.json of folders, which must agree", () =>
  inFolder(async (folder) => {
    const write = async (name: string, facts: unknown) => {
      await Deno.mkdir(join(folder, name));
      await Deno.writeTextFile(join(folder, name, "far.json"), JSON.stringify(facts));
      return join(folder, name);
    };
    const one = await write("one", { actions: ["go", "stay"], fps: 10 });
    const same = await write("same", { actions: ["go", "stay"], fps: 10 });
    const other = await write("other", { actions: ["stay", "go"] });
    assert.deepEqual(await readDataFacts([]), {});
    assert.deepEqual(await readDataFacts([folder, join(one, "x.npz")]), {});
    assert.deepEqual(await readDataFacts([one, same]), { actions: ["go", "stay"], fps: 10 });
    await assert.rejects(readDataFacts([one, other]), {
      name: "MediaError",
      message: /one" and ".*other" together: their actions differ, \["go","stay"\] and \["stay",/,
    });
  }));

Deno.test("actionNumbers() gives a data set's actions the numbers of the model", async () => {
  const model = ["forward", "left", "right", "stay"];
  assert.equal(actionNumbers({}, model), undefined);
  assert.equal(actionNumbers({ actions: ["x"] }, undefined), undefined);
  assert.equal(actionNumbers({ actions: ["forward", "left"] }, model), undefined);
  const numbers = actionNumbers({ actions: ["Stay", "forward"] }, model)!;
  assert.deepEqual(numbers, [3, 0]);
  assert.throws(() => actionNumbers({ actions: ["jump"] }, model), {
    message: 'Cannot train: the clips have an action "jump", the model\'s are ' +
      "forward, left, right, stay",
  });
  const clip = { path: "clip.npz", frames: 3, actions: [1, 1, 0] };
  const classes = { count: 4, names: model, numbers };
  assert.deepEqual([...(await clipActions(clip, classes))!], [0, 0, 3]);
  const recorded = { path: "clip.mp4", frames: 3, metadata: { "far.actions": "left,stay*2" } };
  assert.deepEqual([...(await clipActions(recorded, classes))!], [1, 3, 3]); // by their names
});

Deno.test("clipActions() takes a command's actions only where they are those of all frames", async () => {
  const metadata = { "far.settings": JSON.stringify({ options: { actions: "left*2" } }) };
  const of = (frames: number) =>
    clipActions({ path: "a.mp4", frames, metadata }, { count: 4, names });
  const names = ["forward", "left"];
  assert.deepEqual([...(await of(2))!], [1, 1]);
  assert.equal(await of(5), undefined);
});
