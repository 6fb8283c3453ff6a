import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeNpz } from "../../../media/npz.ts";
import { fewestFrames, surveyClips } from "../../../train/world/survey.ts";
import { inFolder } from "../../support/folder.ts";

/** A clip, and the text of its actions. */
interface Given {
  readonly frames?: number;
  readonly width?: number;
  readonly actions?: string;
}

async function write(folder: string, clips: readonly Given[]): Promise<string> {
  for (const [i, { frames = 4, width = 8, actions }] of clips.entries()) {
    const data = new Uint8Array(frames * 8 * width * 3);
    const video = { type: "|u1" as const, shape: [frames, 8, width, 3], data };
    await Deno.writeFile(join(folder, `${i}.npz`), encodeNpz({ video }));
    if (actions !== undefined) await Deno.writeTextFile(join(folder, `${i}.txt`), actions);
  }
  return folder;
}

const REFUSED: readonly [string, Given[], RegExp, { interval?: number }?][] = [
  ["one frame", [{ frames: 1 }], /0\.npz": a world needs clips of 2 or more frames, and it has 1$/],
  ["frames far apart", [{}], /2 or more frames, and it has 1 at every 4th$/, { interval: 4 }],
  ["other sizes", [{}, { width: 16 }], /1\.npz": it is 16x8, ".*0\.npz" 8x8; give one `size` for/],
  ["one without actions", [{ actions: "go*4" }, {}], /1\.npz": it has no actions, ".*0\.npz" has$/],
  ["the first without", [{}, { actions: "go*4" }], /0\.npz": it has no actions, ".*1\.npz" has$/],
  [
    "too few actions",
    [{ actions: "go*3" }],
    /0\.txt": ".*0\.npz" has 4 frames, but there are 3 actions$/,
  ],
  ["nothing", [], /the folder contains no clips$/],
];

for (const [title, clips, message, more] of REFUSED) {
  Deno.test(`surveyClips() refuses ${title}`, () =>
    inFolder(async (folder) => {
      const sources = [await write(folder, clips)];
      await assert.rejects(surveyClips({ clips: sources, ...more }), {
        name: "MediaError",
        message,
      });
    }));
}

Deno.test("surveyClips() leaves out what it may, and finds size, length and names", () =>
  inFolder(async (folder) => {
    const clips = [{ actions: "b*2 a*2" }, { frames: 1, actions: "c" }, {
      frames: 3,
      actions: "a*3",
    }];
    const sources = [await write(folder, [{}, ...clips, { width: 16, actions: "b*4" }])];
    const found = await surveyClips({ clips: sources, skipBad: true });
    assert.deepEqual([found.width, found.height, found.frames], [8, 8, 3]);
    assert.deepEqual(found.names, ["a", "b"]);
    const size = { width: 4, height: 4 };
    const sized = await surveyClips({ clips: sources, skipBad: true, size });
    assert.deepEqual([sized.width, sized.names, sized.fps], [4, ["a", "b"], undefined]);
    await Deno.writeTextFile(join(folder, "far.json"), '{"actions": ["b", "a"], "fps": 5}');
    const beside = await surveyClips({ clips: sources, skipBad: true });
    assert.deepEqual([beside.names, beside.fps], [["b", "a"], 5]);
    const given = await surveyClips({ clips: sources, skipBad: true, names: ["a", "b", "c"] });
    assert.deepEqual(given.names, ["a", "b", "c"]);
  }));

Deno.test("fewestFrames() finds the shortest of a million clips", () => {
  const clips = Array.from({ length: 1e6 }, (_, i) => ({ frames: i === 777_777 ? 3 : 16 }));
  assert.equal(fewestFrames(clips), 3);
});
